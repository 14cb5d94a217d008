"""Translates failed requests and exceptions of the HTTP library into ours.

Messages quote no part of a request, because it may hold a token or a signed address.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from pythia_cli.checkpoints import hub_environment
from pythia_cli.errors import (
    NetworkError,
    NotAHub,
    NotAuthorised,
    NotOnHub,
    Offline,
    PythiaError,
    ResourceError,
    Unreachable,
)

_HTTP_LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2", "h11", "h2")


class Refused(Exception):
    """The server answered with a status that is no success."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.headers = headers


class CutShort(Exception):
    """A transfer ended, without an error, before all announced bytes were there."""


def not_a_hub(reason: str = "") -> NotAHub:
    """The error to raise if the server does not answer as a Hub."""
    return NotAHub(hub_environment.endpoint(), reason)


def is_connection_error(error: Exception) -> bool:
    """Whether the Hub did not answer, or the connection was lost."""
    library = type(error).__module__.split(".")[0]
    if library == "huggingface_hub":  # its OfflineModeIsEnabled is a ConnectionError
        return False
    return library in _HTTP_LIBRARIES or isinstance(
        error, ConnectionError | TimeoutError | CutShort
    )


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Translate exceptions of requests; drops the originals, which quote signed addresses.

    what: names the request in messages. Raises NotOnHub, NetworkError and its subclasses,
    NotAuthorised and ResourceError.
    """
    from huggingface_hub.errors import OfflineModeIsEnabled

    try:
        yield
    except PythiaError:
        raise
    except OfflineModeIsEnabled:
        raise Offline(f"{what}: HF_HUB_OFFLINE forbids the network") from None
    except Refused as error:
        raise _by_status(what, error) from None
    except CutShort:
        raise NetworkError(f"{what}: the transfer was cut short") from None
    except Exception as error:
        if is_connection_error(error):
            reason = type(error).__name__
            raise Unreachable(f"{what}: the Hub cannot be reached ({reason})") from None
        if isinstance(error, OSError):
            raise ResourceError(
                error.filename or what, f"cannot be written ({error.strerror or error})"
            ) from error
        raise


def _by_status(what: str, error: Refused) -> PythiaError:
    status = error.status
    if status == 403 or error.headers.get("X-Error-Code") == "GatedRepo":
        return NotAuthorised(f"{what}: the Hub refuses access ({status})", 403)
    if status == 401:
        return NotAuthorised(
            f"{what}: the Hub requires a login (401), or there is no such repository", 401
        )
    if status == 404:
        return NotOnHub(f"{what}: the Hub has no such repository, revision or file")
    too_many = " (too many requests)" if status == 429 else ""
    return NetworkError(f"{what}: the Hub answered with status {status}{too_many}")
