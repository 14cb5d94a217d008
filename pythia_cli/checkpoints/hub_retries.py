"""Retries after a lost connection, a 429 or a 5xx; obeys the Hub's Retry-After.

Why not huggingface_hub's own `http_backoff`: docs/log.md, "Hub retries".
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from time import sleep
from typing import Any, TypeVar

from pythia_cli.checkpoints.hub_errors import is_connection_error, status_of
from pythia_cli.errors import RateLimited
from pythia_cli.reporting import SILENT, Reporter

_T = TypeVar("_T")

ANSWER_SECONDS = 30.0
"""Seconds to wait for an answer to begin, if huggingface_hub sets no timeout."""
PAUSES = (1.0, 3.0)
"""Seconds before the second and the third attempt, unless the Hub asks for more."""
LONGEST_PAUSE = 60.0
"""If the Hub asks for a pause of more seconds, we give up."""
_WORTH_A_NOTE = 2.0  # seconds


def ask_again(
    what: str, ask: Callable[[], _T], *, reporter: Reporter = SILENT, is_transfer: bool = False
) -> _T:
    """Call ask() up to three times; reports pauses longer than two seconds.

    what: names the request in messages. is_transfer: retry only after a 5xx, because
    huggingface_hub itself retries transfers after a lost connection or a 429. Raises RateLimited
    if the Hub asks for a pause longer than LONGEST_PAUSE, and the last attempt's error.
    """
    for pause in PAUSES:
        try:
            with asking(what, reporter, is_transfer=is_transfer):
                return ask()
        except Exception as error:
            if not _may_pass(error, is_transfer):
                raise
            wanted = _seconds_wanted(getattr(error, "response", None))
            seconds = max(pause, _with_margin(wanted))
            _note_pause(seconds, reporter)
        sleep(seconds)
    with asking(what, reporter, is_transfer=is_transfer):
        return ask()


@contextlib.contextmanager
def asking(what: str, reporter: Reporter = SILENT, *, is_transfer: bool = False) -> Iterator[None]:
    """Within the block, huggingface_hub's requests have timeouts and make no long pauses.

    Raises RateLimited.
    """
    _prepare()
    token = _ASKING.set(_Asking(reporter, is_transfer))
    try:
        yield
    except _LongPause as error:
        raise RateLimited(what, error.seconds) from None
    finally:
        _ASKING.reset(token)


@dataclass(frozen=True)
class _Asking:
    reporter: Reporter
    is_transfer: bool


# None while other code in this process, such as transformers, uses huggingface_hub.
_ASKING: ContextVar[_Asking | None] = ContextVar("pythia_asking", default=None)


class _LongPause(Exception):
    """The Hub asks for a longer pause than LONGEST_PAUSE."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


_LOCK = threading.Lock()
_factory: Callable[[], Any] | None = None
_noted_until = 0.0


def _prepare() -> None:
    """Hook huggingface_hub's requests, and silence its warnings: they quote signed addresses."""
    from huggingface_hub import constants, logging, set_client_factory
    from huggingface_hub.utils import _http

    global _factory
    for handler in logging.get_logger().handlers:
        if _is_for_others not in handler.filters:
            handler.addFilter(_is_for_others)
    constants.HF_HUB_DISABLE_TELEMETRY = True
    with _LOCK:  # set_client_factory closes the client that other threads use
        if _http._GLOBAL_CLIENT_FACTORY is not _client:
            _factory = _http._GLOBAL_CLIENT_FACTORY
            set_client_factory(_client)


def _is_for_others(record: Any) -> bool:
    """Whether a warning is shown: not in `asking`; the logger's level stays the user's."""
    return bool(record.levelname in ("ERROR", "CRITICAL")) or _ASKING.get() is None


def _client() -> Any:
    """The HTTP client that would be used without us, with two hooks that act only in `asking`."""
    assert _factory is not None
    client = _factory()
    client.event_hooks["request"].append(_limit_waiting)
    client.event_hooks["response"].append(_refuse_long_pauses)
    return client


def _limit_waiting(request: Any) -> None:
    if _ASKING.get() is not None:
        limits = request.extensions.get("timeout") or {}
        request.extensions["timeout"] = {
            kind: ANSWER_SECONDS if limits.get(kind) is None else limits[kind]
            for kind in ("connect", "read", "write", "pool")
        }


def _refuse_long_pauses(response: Any) -> None:
    request = _ASKING.get()
    if request is None:
        return
    seconds = _seconds_wanted(response)
    if seconds > LONGEST_PAUSE:
        raise _LongPause(seconds)
    if request.is_transfer and response.status_code == 429:  # huggingface_hub will sleep
        _note_pause(_with_margin(seconds), request.reporter)


def _seconds_wanted(response: Any) -> float:
    """The pause requested by the Retry-After or RateLimit header of a 429 or 503; else 0."""
    from huggingface_hub.utils import parse_ratelimit_headers

    if response is None or response.status_code not in (429, 503):
        return 0.0
    seconds = _retry_after(response.headers.get("Retry-After", "").strip())
    limit = parse_ratelimit_headers(response.headers)
    if limit is not None and limit.remaining == 0:
        seconds = max(seconds, limit.reset_in_seconds)
    return seconds


def _retry_after(value: str) -> float:
    """Seconds from now. The header holds a number of seconds or a date."""
    if re.fullmatch("[0-9]+", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _with_margin(seconds: float) -> float:
    """One second more, as in huggingface_hub, because the Hub rounds; at most LONGEST_PAUSE."""
    return min(seconds + 1, LONGEST_PAUSE) if seconds else 0.0


def _may_pass(error: Exception, is_transfer: bool) -> bool:
    """Whether the failure may be temporary, so that a retry may help."""
    from huggingface_hub.errors import HfHubHTTPError

    if isinstance(error, HfHubHTTPError):
        status = status_of(error)
        return status >= 500 or (status in (408, 429) and not is_transfer)
    return is_connection_error(error) and not is_transfer


def _note_pause(seconds: float, reporter: Reporter) -> None:
    """Report a long pause, once for all threads that pause."""
    global _noted_until
    if seconds <= _WORTH_A_NOTE:
        return
    with _LOCK:
        now = time.monotonic()
        if now < _noted_until:
            return
        _noted_until = now + seconds
    reporter.note(f"the Hub cannot answer now; trying again in {seconds:.0f} s")
