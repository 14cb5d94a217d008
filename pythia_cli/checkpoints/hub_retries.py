"""Retries after a lost connection, a 429 or a 5xx; obeys the Hub's Retry-After.

Why not huggingface_hub's own `http_backoff`: docs/log.md, "Hub retries".
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from time import sleep
from typing import TypeVar

from pythia_cli.checkpoints.hub_errors import Refused, is_connection_error
from pythia_cli.errors import RateLimited
from pythia_cli.reporting import SILENT, Reporter

_T = TypeVar("_T")

PAUSES = (1.0, 3.0)
"""Seconds before the second and the third attempt, unless the Hub asks for more."""
LONGEST_PAUSE = 60.0
"""If the Hub asks for a pause of more seconds, we give up."""
WORTH_MORE = 1_000_000
"""After so much more progress (bytes), the attempts are counted from one again."""
_WORTH_A_NOTE = 2.0  # seconds
_NONE_LEFT = re.compile(r";\s*r\s*=\s*0\s*;\s*t\s*=\s*([0-9]+)")  # "api";r=0;t=55


def ask_again(
    what: str,
    ask: Callable[[], _T],
    *,
    reporter: Reporter = SILENT,
    progress: Callable[[], int] = lambda: 0,
    pause: Callable[[float], None] | None = None,
) -> _T:
    """Call ask() up to three times; reports pauses longer than two seconds.

    what: names the request in messages. progress: bytes that have arrived, of a transfer that goes
    on where it stopped. pause: waits for so many seconds. Raises RateLimited if the Hub asks for a
    pause longer than LONGEST_PAUSE, and the last attempt's error.
    """
    pauses, reached = iter(PAUSES), progress()
    while True:
        try:
            return ask()
        except Exception as error:
            wanted = _seconds_wanted(error)
            if wanted > LONGEST_PAUSE:
                raise RateLimited(what, wanted) from None
            if progress() >= reached + WORTH_MORE:
                pauses, reached = iter(PAUSES), progress()
            least = next(pauses, None)
            if least is None or not _may_pass(error):
                raise
        seconds = max(least, _with_margin(wanted))
        _note_pause(seconds, reporter)
        (pause or sleep)(seconds)


_LOCK = threading.Lock()
_noted_until = 0.0


def _seconds_wanted(error: Exception) -> float:
    """The pause requested by the Retry-After or RateLimit header of a 429 or 503; else 0."""
    if not isinstance(error, Refused) or error.status not in (429, 503):
        return 0.0
    seconds = _retry_after(error.headers.get("Retry-After", "").strip())
    if limit := _NONE_LEFT.search(error.headers.get("RateLimit", "")):
        seconds = max(seconds, float(limit.group(1)))
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


def _may_pass(error: Exception) -> bool:
    """Whether the failure may be temporary, so that a retry may help."""
    if isinstance(error, Refused):
        return error.status >= 500 or error.status in (408, 429)
    return is_connection_error(error)


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
