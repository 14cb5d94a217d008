"""How the Hub fails: asked again where it stumbles, and what huggingface_hub raises made ours.

It becomes NotFound, NetworkError, NotAuthorised or ResourceError; nothing of a request (a token, a
signed address) gets into their texts.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from pythia_cli.errors import IntegrityError, NetworkError, NotAuthorised, NotFound, ResourceError

_RETRY_PAUSES = (1.0, 3.0)  # seconds, before asking once more for metadata
ANSWER_SECONDS = 30.0  # for a beginning of an answer, where the library would wait for ever
LATER = "the same later"
_LONGEST_PAUSE = 60.0  # seconds that the Hub may ask us to wait without our giving up
_HTTP_LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "hf_xet")


def endpoint() -> str:
    """The Hub's address, HF_ENDPOINT or the public one, without a password that stands in it."""
    from huggingface_hub import constants

    return re.sub(r"//[^/@]*@", "//", str(constants.ENDPOINT))


class _Later(Exception):
    """The Hub asks for a longer pause than we are ready to make."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


_PREPARING = threading.Lock()
_prepared = False


def prepare() -> None:
    """Have the library keep quiet, ask for nothing else, and give up rather than sleep for long."""
    from huggingface_hub import constants, logging, set_client_factory
    from huggingface_hub.utils import _http

    global _prepared
    logging.set_verbosity_error()
    constants.HF_HUB_DISABLE_TELEMETRY = True

    def client() -> Any:
        made = _http.default_client_factory()
        made.timeout = ANSWER_SECONDS
        made.event_hooks["response"].append(_refuse_long_pauses)
        return made

    with _PREPARING:  # as it closes the client that other threads use
        if not _prepared:
            set_client_factory(client)
            _prepared = True


def _refuse_long_pauses(response: Any) -> None:
    from huggingface_hub.utils import parse_ratelimit_headers

    if response.status_code not in (429, 503):
        return
    asked = response.headers.get("Retry-After", "")
    seconds = int(asked) if asked.isdigit() else 0
    if (limit := parse_ratelimit_headers(response.headers)) is not None and limit.remaining == 0:
        seconds = max(seconds, limit.reset_in_seconds)
    if seconds > _LONGEST_PAUSE:
        raise _Later(seconds)


def retried(ask: Callable[[], Any], *, on_network: bool = True) -> Any:
    """ask(), and again after pauses where the Hub or the network stumbles."""
    from huggingface_hub.errors import HfHubHTTPError

    prepare()
    for pause in (*_RETRY_PAUSES, None):
        try:
            return ask()
        except Exception as error:
            stumbled = (
                _status(error) >= 500 or _status(error) == 429
                if isinstance(error, HfHubHTTPError)
                else on_network and _is_of_network(error)
            )
            if pause is None or not stumbled:
                raise
            time.sleep(pause)
    raise AssertionError


def _status(error: Any) -> int:
    return int(error.response.status_code) if error.response is not None else 0


def _is_of_network(error: Exception) -> bool:
    return type(error).__module__.split(".")[0] in _HTTP_LIBRARIES


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn the library's exceptions into ours, without them: they quote signed addresses."""
    from huggingface_hub.errors import (
        FileMetadataError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        yield
    except (IntegrityError, NetworkError):
        raise
    except _Later as error:
        raise NetworkError(
            f"{what}: the Hub asks to come back in {error.seconds:.0f} s (too many requests)",
            hint="the same then, or log in with hf auth login for a higher limit",
        ) from None
    except OfflineModeIsEnabled:
        raise NetworkError(
            f"{what}: HF_HUB_OFFLINE forbids the network", hint="unset HF_HUB_OFFLINE"
        ) from None
    except HfHubHTTPError as error:
        raise _by_status(what, error) from None
    except LocalEntryNotFoundError as error:
        cause = error.__cause__
        if isinstance(cause, HfHubHTTPError):
            raise _by_status(what, cause) from None
        raise _unreachable(what, cause or error) from None
    except FileMetadataError:
        raise no_hub() from None
    except Exception as error:
        if _is_of_network(error) or isinstance(error, ConnectionError | TimeoutError):
            raise _unreachable(what, error) from None
        if isinstance(error, OSError) and error.errno is None:
            # Of the library itself: other bytes came than were announced.
            told = f"{what}: the transfer was cut short"
            raise NetworkError(told, hint="the same again") from None
        if isinstance(error, OSError):
            raise ResourceError(
                error.filename or what,
                f"cannot be written ({error.strerror or error})",
                hint="make room, or choose another folder with --store",
            ) from None
        raise


@contextlib.contextmanager
def understood() -> Iterator[None]:
    """What trips the library in an answer means that it is no Hub's; for nothing but questions."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, OSError):  # some of the library's are both
            raise
        raise no_hub() from None


def _by_status(what: str, error: Any) -> Exception:
    from huggingface_hub.errors import GatedRepoError

    status = _status(error)
    if isinstance(error, GatedRepoError) or status == 403:
        return NotAuthorised(
            f"{what}: the Hub refuses access ({status})",
            hint="ask for it on the repository's page, then hf auth login",
        )
    if status == 401:
        return NotAuthorised(
            f"{what}: the Hub asks for a login ({status}), or there is no such repository",
            hint="hf auth login, or a valid HF_TOKEN",
        )
    if status == 404:
        return NotFound(
            f"{what}: the Hub has no such repository, revision or file",
            hint="pythia checkpoint list --available",
        )
    return NetworkError(f"{what}: the Hub answered with status {status}", hint=LATER)


def _unreachable(what: str, error: BaseException) -> NetworkError:
    return NetworkError(
        f"{what}: the Hub cannot be reached ({type(error).__name__})",
        hint="the same again with a network and the right HF_ENDPOINT; or pythia download --from",
    )


def no_hub() -> NetworkError:
    """What answers is something else."""
    return NetworkError(
        f"what answers at {endpoint()} is not a Hugging Face Hub",
        hint="log in to the network (a captive portal?), check HF_ENDPOINT, and the same again",
    )
