"""The Hugging Face Hub: resolves a revision to its commit, and finds files in the user's cache.

Uses the endpoint, login, offline mode and cache of huggingface_hub. Requests are in
hub_requests.py, retries in hub_retries.py, and the download of a file in hub_fetch.py.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, wait
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

from pythia_cli.checkpoints import hub_requests
from pythia_cli.checkpoints.hub_environment import endpoint, token
from pythia_cli.checkpoints.hub_errors import not_a_hub, translated
from pythia_cli.checkpoints.hub_retries import ask_again
from pythia_cli.checkpoints.hub_revision import (
    BLOB_ID,
    RemoteFile,
    Revision,
    branch_names,
    revision_of,
)
from pythia_cli.errors import DamagedDownload, NotCached
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.system.background import STEP_SECONDS, background
from pythia_cli.weights.source import SHA256

_T = TypeVar("_T")
_Answer = TypeVar("_Answer")

_N_ASKING = 8  # requests at a time


def resolve(repo: str, name: str, *, reporter: Reporter = SILENT) -> Revision:
    """Ask the Hub for a branch's commit and files.

    Raises NotOnHub, NetworkError (Unreachable, Offline, RateLimited, NotAHub), NotAuthorised and
    BadEnvironment.
    """
    what = f"{repo} {name}"
    path = f"/api/models/{repo}/revision/{quote(name, safe='')}?blobs=True"
    with translated(what):
        answer = ask_again(what, lambda: hub_requests.answer(path), reporter=reporter)
    return revision_of(answer, repo, name)


def resolve_offline(repo: str, name: str) -> Revision:
    """The branch as it is in the user's Hugging Face cache.

    Raises NotCached, and DamagedDownload if the cached files cannot be verified.
    """
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, "config.json", revision=name)
    if not isinstance(found, str):
        raise NotCached(f"{repo} {name}")
    folder = Path(found).parent
    files = {}
    for path in folder.iterdir():
        if path.is_file():
            # The snapshot links to blobs, which are named by their sha256 or git blob id.
            digest = path.resolve().name
            large = SHA256.fullmatch(digest) is not None
            if not large and not BLOB_ID.fullmatch(digest):
                raise DamagedDownload(
                    path,
                    "cannot be verified: it is not a link to a file named by its hash. The cache"
                    " may have been copied without its links",
                )
            files[path.name] = RemoteFile(
                path.name,
                path.stat().st_size,
                digest if large else None,
                None if large else digest,
            )
    return Revision(repo, name, folder.name, files)


def branches(repo: str, *, reporter: Reporter = SILENT) -> list[str]:
    """The names of a repository's branches. Raises what `resolve` raises."""
    path = f"/api/models/{repo}/refs"
    with translated(repo):
        answer = ask_again(repo, lambda: hub_requests.answer(path), reporter=reporter)
    return branch_names(answer)


def ask_several(ask: Callable[[_T], _Answer], items: Iterable[_T]) -> list[_Answer]:
    """ask(item) for each item, several at a time; returns the answers in order.

    Raises what `ask` raises. An error or interrupt does not wait for requests in progress, and
    neither does the end of the process.
    """
    left = deque(enumerate(items))
    answers: dict[int, _Answer] = {}

    def work() -> None:
        while left:
            try:
                index, item = left.popleft()
            except IndexError:  # another thread took the last one
                return
            answers[index] = ask(item)

    try:
        unfinished = {background(work, "pythia-ask") for _ in range(min(_N_ASKING, len(left)))}
        while unfinished:
            done, unfinished = wait(unfinished, STEP_SECONDS, FIRST_EXCEPTION)
            for worker in done:
                worker.result()
    finally:
        left.clear()
    return [answers[index] for index in sorted(answers)]


def has_token() -> bool:
    """Whether the user is logged in to the Hub."""
    return token() is not None


def greet(seconds: float = 5.0) -> float:
    """The seconds that the Hub takes to answer. seconds: timeout. Raises what `resolve` raises."""
    started = time.perf_counter()
    with translated(endpoint()):
        answer = hub_requests.answer("/api/models/EleutherAI/pythia-410m", seconds)
    if not isinstance(answer, dict) or "id" not in answer:
        raise not_a_hub()
    return time.perf_counter() - started


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE forbids the network."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def cached(revision: Revision, name: str) -> Path | None:
    """The file in the user's Hugging Face cache, if it is there."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(revision.repo, name, revision=revision.commit)
    return Path(found) if isinstance(found, str) else None
