"""The Hugging Face Hub: resolves a revision to its commit, downloads files and verifies them.

Wraps huggingface_hub with its endpoint, login, offline mode, cache, Xet and resumption. Retries
are in hub_retries.py, and the translation of huggingface_hub's exceptions in hub_errors.py.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pythia_cli.checkpoints.hub_errors import (
    endpoint,
    not_a_hub,
    only_a_hub_answers,
    translated,
)
from pythia_cli.checkpoints.hub_retries import ANSWER_SECONDS, ask_again, asking
from pythia_cli.errors import DamagedDownload, NotCached, NotOnHub
from pythia_cli.files.reading import file_sha256
from pythia_cli.reporting import NO_TASK, SILENT, Reporter, Task

_T = TypeVar("_T")
_Answer = TypeVar("_Answer")

_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_REPO = re.compile(r"[A-Za-z0-9._-]{1,96}/[A-Za-z0-9._-]{1,96}")
_ETAG = re.compile(r"[0-9A-Za-z_-]{1,128}")
_N_ASKING = 8  # requests at a time


@dataclass(frozen=True)
class RemoteFile:
    """A file of a revision: its size in bytes, and its sha256 (large files) or git blob id."""

    name: str
    size: int
    sha256: str | None
    blob_id: str | None


@dataclass(frozen=True)
class Revision:
    """A branch of a repository: its present commit, and the files of that commit.

    repo: the one that was asked for. answered_by: the one that the Hub says it answered for, if
    that is another: the Hub redirects repositories that were renamed.
    """

    repo: str
    name: str
    commit: str
    files: Mapping[str, RemoteFile]
    answered_by: str | None = None

    def __str__(self) -> str:
        return f"{self.repo} {self.name}"


def resolve(repo: str, name: str, *, reporter: Reporter = SILENT) -> Revision:
    """Ask the Hub for a branch's commit and files.

    Raises NotOnHub, NetworkError (Unreachable, Offline, RateLimited, NotAHub) and NotAuthorised.
    """
    from huggingface_hub import HfApi

    def ask() -> Any:
        return HfApi().model_info(repo, revision=name, files_metadata=True, timeout=ANSWER_SECONDS)

    what = f"{repo} {name}"
    with translated(what), only_a_hub_answers():
        info = ask_again(what, ask, reporter=reporter)
    if not isinstance(info.sha, str) or not _COMMIT.fullmatch(info.sha):
        raise not_a_hub()
    files = {}
    for sibling in info.siblings or []:
        sha256 = sibling.lfs.sha256 if sibling.lfs is not None else None
        if isinstance(sibling.size, int) and _is_digest(sha256) and _is_digest(sibling.blob_id):
            files[sibling.rfilename] = RemoteFile(
                sibling.rfilename, sibling.size, sha256, sibling.blob_id
            )
    return Revision(repo, name, info.sha, files, _another(info.id, repo))


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
            if not _DIGEST.fullmatch(digest):
                raise DamagedDownload(
                    path,
                    "cannot be verified: it is not a link to a file named by its hash. The cache"
                    " may have been copied without its links",
                )
            large = len(digest) == 64
            files[path.name] = RemoteFile(
                path.name,
                path.stat().st_size,
                digest if large else None,
                None if large else digest,
            )
    return Revision(repo, name, folder.name, files)


def branches(repo: str, *, reporter: Reporter = SILENT) -> list[str]:
    """The names of a repository's branches. Raises what `resolve` raises."""
    from huggingface_hub import HfApi

    with translated(repo), only_a_hub_answers():
        refs = ask_again(repo, lambda: HfApi().list_repo_refs(repo), reporter=reporter)
    return [branch.name for branch in refs.branches]


def ask_several(ask: Callable[[_T], _Answer], items: Iterable[_T]) -> list[_Answer]:
    """ask(item) for each item, several at a time; returns the answers in order.

    Raises what `ask` raises. An error or interrupt does not wait for requests in progress.
    """
    pool = ThreadPoolExecutor(_N_ASKING, "pythia-ask")
    try:
        return list(pool.map(ask, items))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def has_token() -> bool:
    """Whether the user is logged in to the Hub."""
    from huggingface_hub import get_token

    return get_token() is not None


def greet(seconds: float = 5.0) -> float:
    """The seconds that the Hub takes to answer. seconds: timeout. Raises what `resolve` raises."""
    from huggingface_hub import HfApi

    started = time.perf_counter()
    with translated(endpoint()), only_a_hub_answers(), asking(endpoint()):
        HfApi().model_info("EleutherAI/pythia-410m", timeout=seconds)
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


def fetch(
    revision: Revision,
    name: str,
    folder: Path,
    *,
    arrived: Task = NO_TASK,
    checked: Task = NO_TASK,
    reporter: Reporter = SILENT,
) -> str:
    """Download one file of a revision to folder / name, check every byte, and return its sha256.

    arrived, checked: advance by bytes as they are downloaded, and as they are checked.
    Raises DamagedDownload if the file differs from what the Hub describes, ResourceError if it
    cannot be written, and what `resolve` raises.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    _file(revision, name)
    what = f"{revision} {name}"

    def transfer() -> Any:
        return hf_hub_download(
            revision.repo,
            name,
            revision=revision.commit,
            local_dir=folder,
            force_download=True,  # otherwise it may copy a damaged file from the cache
            tqdm_class=_bar_for(arrived),
        )

    with translated(what):
        # First check that the address serves a file of this commit.
        url = hf_hub_url(revision.repo, name, revision=revision.commit)
        metadata = ask_again(what, lambda: get_hf_file_metadata(url), reporter=reporter)
        if metadata.commit_hash is None or metadata.etag is None:
            raise not_a_hub()
        # huggingface_hub uses the etag in a file name. `check` below verifies the bytes.
        if _ETAG.fullmatch(metadata.etag) is None:
            raise DamagedDownload(what, "the Hub states a malformed hash")
        if metadata.commit_hash != revision.commit:
            raise DamagedDownload(what, "the Hub serves a file of another commit")
        path = Path(ask_again(what, transfer, reporter=reporter, is_transfer=True))
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # metadata of huggingface_hub
    return check(revision, name, path, checked)


def check(
    revision: Revision,
    name: str,
    path: Path,
    checked: Task = NO_TASK,
) -> str:
    """Check that a local file is this file of the revision, and return its sha256.

    checked: advances by bytes as they are read. Raises DamagedDownload.
    """
    from huggingface_hub.utils.sha import git_hash

    file = _file(revision, name)
    where = f"{revision} {name}"
    if path.stat().st_size != file.size:
        raise DamagedDownload(
            where, f"has {path.stat().st_size} bytes, but the Hub says {file.size}"
        )
    if file.sha256 is not None:
        sha256 = file_sha256(path, checked)
        if sha256 != file.sha256:
            raise DamagedDownload(where, f"has sha256 {sha256}, but the Hub says {file.sha256}")
        return sha256
    data = path.read_bytes()
    if file.blob_id is not None and (blob_id := git_hash(data)) != file.blob_id:
        raise DamagedDownload(where, f"has git id {blob_id}, but the Hub says {file.blob_id}")
    return hashlib.sha256(data).hexdigest()


def _file(revision: Revision, name: str) -> RemoteFile:
    if name not in revision.files:
        raise NotOnHub(f"{revision} has no {name}")
    return revision.files[name]


def _another(answered: object, repo: str) -> str | None:
    """The repository that the Hub names in its answer, if it is not the one asked for."""
    if not isinstance(answered, str) or not _REPO.fullmatch(answered):
        return None
    return answered if answered.lower() != repo.lower() else None


def _is_digest(value: object) -> bool:
    return value is None or (isinstance(value, str) and _DIGEST.fullmatch(value) is not None)


def _bar_for(arrived: Task) -> Any:
    """A class of progress bars for huggingface_hub that draw nothing and advance `arrived`."""
    from huggingface_hub.utils import tqdm

    class SilentBar(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            arrived.advance(int(n or 0))

        def update_transfer(self, n: float) -> None:
            """Ignored. If it exists, huggingface_hub reports bytes once, as they are written."""

    return SilentBar
