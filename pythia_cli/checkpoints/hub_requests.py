"""Requests to the Hub whose answers are bounded in bytes and in time.

They use huggingface_hub's HTTP client, endpoint and token, but not its functions: these read an
answer into memory whole, however long it is and takes. No setting of the process is changed.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import wait
from typing import Any, TypeVar

from pythia_cli import settings
from pythia_cli.checkpoints import hub_environment
from pythia_cli.checkpoints.hub_errors import Refused, not_a_hub
from pythia_cli.errors import NotAHub, Unreachable
from pythia_cli.system.background import background

_T = TypeVar("_T")

ANSWER_SECONDS = 30.0
"""Seconds to wait for a connection, and for each next piece of an answer."""
WHOLE_ANSWER_SECONDS = 60.0
"""Seconds in which an answer with metadata must be complete."""
MOST_BYTES = 8 << 20
"""No answer with metadata is longer. Those for Pythia have some 10 kB."""

_MOST_REDIRECTS = 10
_LOOK_SECONDS = 0.2  # an interrupt waits no longer, also where it does not end a wait (Windows)


def answer(path: str, seconds: float | None = None) -> Any:
    """What the Hub answers to a request for metadata, decoded from JSON.

    seconds: in which the whole answer must be there. Raises NotAHub if it is not JSON or too long,
    Unreachable if it is too slow, Refused for a status that is not 200, and errors of the HTTP
    library.
    """
    limit = WHOLE_ANSWER_SECONDS if seconds is None else seconds
    body = _within(limit, lambda: _body(path, limit))
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise not_a_hub() from None


@contextlib.contextmanager
def opened(
    path: str, headers: Mapping[str, str] | None = None, seconds: float | None = None
) -> Iterator[tuple[Any, str | None]]:
    """Yields the answer to a request, with only its headers read, and its commit, if it states one.

    Follows redirects; the token is only sent to the Hub. Read it with `iter_raw`. Raises Refused
    unless the status is 200 or 206, NotAHub, also for an answer that is compressed, though we ask
    for none that is, and errors of the HTTP library.
    """
    request = hub_environment.request(path, dict(headers or {}), seconds or ANSWER_SECONDS)
    commit = None
    for _ in range(_MOST_REDIRECTS):
        if request.url.scheme not in ("http", "https") or not settings.is_host(request.url.host):
            raise _elsewhere()
        response = hub_environment.send(request)
        try:
            commit = commit or response.headers.get("X-Repo-Commit")
            following = response.next_request
            if following is None:
                if response.has_redirect_location:  # which cannot be read
                    raise _elsewhere()
                if response.status_code not in (200, 206):
                    raise Refused(response.status_code, response.headers)
                coding = response.headers.get("Content-Encoding", "identity").strip().lower()
                if coding != "identity":
                    raise not_a_hub(
                        "it, or a proxy before it, compresses its answers, though asked not to"
                    )
                yield response, commit
                return
        finally:
            response.close()
        request = following
    raise not_a_hub("it redirects without end")


def _elsewhere() -> NotAHub:
    return not_a_hub("it redirects to something else than an http or https address")


def _body(path: str, seconds: float) -> bytes:
    until = time.monotonic() + seconds
    body = bytearray()
    with opened(path, seconds=min(seconds, ANSWER_SECONDS)) as (response, _):
        for piece in response.iter_raw():
            body += piece
            if len(body) > MOST_BYTES:
                raise not_a_hub(f"its answer has more than {MOST_BYTES >> 20} MB")
            if time.monotonic() > until:  # nobody waits for it any more
                raise _too_slow(seconds)
    return bytes(body)


def _within(seconds: float, ask: Callable[[], _T]) -> _T:
    """ask() in a thread of its own, which is abandoned after so many seconds.

    The timeouts of the HTTP library count from one byte to the next. Raises Unreachable.
    """
    until = time.monotonic() + seconds
    done = background(ask, "pythia-answer")
    while not done.done():
        if (left := until - time.monotonic()) <= 0:
            raise _too_slow(seconds)
        wait([done], min(left, _LOOK_SECONDS))
    return done.result()


def _too_slow(seconds: float) -> Unreachable:
    where = hub_environment.endpoint()
    return Unreachable(f"the Hub at {where} did not finish its answer in {seconds:.0f} s")
