"""Translates huggingface_hub's exceptions into ours.

Messages quote no part of a request, because it may hold a token or a signed address.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

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

_HTTP_LIBRARIES = ("httpx", "httpx2", "httpcore", "httpcore2", "requests", "urllib3", "hf_xet")


def endpoint() -> str:
    """The Hub's address: HF_ENDPOINT or the public one, without a user name and password."""
    from huggingface_hub import constants

    return re.sub(r"//[^/@]*@", "//", str(constants.ENDPOINT))


def not_a_hub() -> NotAHub:
    """The error to raise if the server does not answer as a Hub."""
    return NotAHub(endpoint())


def status_of(error: Any) -> int:
    """The HTTP status of an HfHubHTTPError; 0 if there is none."""
    return int(error.response.status_code) if error.response is not None else 0


def is_connection_error(error: Exception) -> bool:
    """Whether an exception comes from the HTTP libraries: the Hub did not answer."""
    return type(error).__module__.split(".")[0] in _HTTP_LIBRARIES


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Translate huggingface_hub's exceptions; drops the originals, which quote signed addresses.

    what: names the request in messages. Raises NotOnHub, NetworkError and its subclasses,
    NotAuthorised and ResourceError.
    """
    from huggingface_hub.errors import (
        FileMetadataError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
    )

    try:
        yield
    except PythiaError:
        raise
    except OfflineModeIsEnabled:
        raise Offline(f"{what}: HF_HUB_OFFLINE forbids the network") from None
    except HfHubHTTPError as error:
        raise _by_status(what, error) from None
    except LocalEntryNotFoundError as error:
        cause = error.__cause__
        if isinstance(cause, HfHubHTTPError):
            raise _by_status(what, cause) from None
        raise _unreachable(what, cause or error) from None
    except FileMetadataError:
        raise not_a_hub() from None
    except Exception as error:
        if is_connection_error(error) or isinstance(error, ConnectionError | TimeoutError):
            raise _unreachable(what, error) from None
        if isinstance(error, OSError) and error.errno is None:
            # Raised by huggingface_hub if the number of bytes is not the announced one.
            raise NetworkError(f"{what}: the transfer was cut short") from None
        if isinstance(error, OSError):
            raise ResourceError(
                error.filename or what, f"cannot be written ({error.strerror or error})"
            ) from None
        raise


@contextlib.contextmanager
def only_a_hub_answers() -> Iterator[None]:
    """Raises NotAHub if huggingface_hub cannot parse an answer. For API calls, not transfers."""
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, OSError):  # some of huggingface_hub's exceptions are both
            raise
        raise not_a_hub() from None


def _by_status(what: str, error: Any) -> PythiaError:
    from huggingface_hub.errors import GatedRepoError

    status = status_of(error)
    if isinstance(error, GatedRepoError) or status == 403:
        return NotAuthorised(f"{what}: the Hub refuses access ({status})", 403)
    if status == 401:
        return NotAuthorised(
            f"{what}: the Hub requires a login (401), or there is no such repository", 401
        )
    if status == 404:
        return NotOnHub(f"{what}: the Hub has no such repository, revision or file")
    too_many = " (too many requests)" if status == 429 else ""
    return NetworkError(f"{what}: the Hub answered with status {status}{too_many}")


def _unreachable(what: str, error: BaseException) -> Unreachable:
    return Unreachable(f"{what}: the Hub cannot be reached ({type(error).__name__})")
