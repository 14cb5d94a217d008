"""The Hugging Face Hub: a revision resolved to its commit, and its files on disk, verified.

Wraps huggingface_hub (its endpoint, login, offline mode, cache, Xet and resumption) and never
learns what a model is. How it fails is in hub_failures.py.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pythia_cli.checkpoints.hub_failures import (
    ANSWER_SECONDS,
    LATER,
    endpoint,
    no_hub,
    prepare,
    retried,
    translated,
    understood,
)
from pythia_cli.errors import IntegrityError, NotFound
from pythia_cli.files.reading import file_sha256

_COMMIT = re.compile(r"[0-9a-f]{40}")
_DIGEST = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ETAG = re.compile(r"[0-9A-Za-z_-]{1,128}")


@dataclass(frozen=True)
class RemoteFile:
    """A file of a revision: its size in bytes, and its sha256 (large files) or git blob id."""

    name: str
    size: int
    sha256: str | None
    blob_id: str | None


@dataclass(frozen=True)
class Revision:
    """A branch as it is now: the commit that it points to, and the files of that commit."""

    repo: str
    name: str
    commit: str
    files: Mapping[str, RemoteFile]

    def __str__(self) -> str:
        return f"{self.repo} {self.name}"


def resolve(repo: str, name: str) -> Revision:
    """Ask the Hub what a branch holds. Raises NotFound, NetworkError, NotAuthorised."""
    from huggingface_hub import HfApi

    with translated(f"{repo} {name}"), understood():
        info = retried(
            lambda: HfApi().model_info(
                repo, revision=name, files_metadata=True, timeout=ANSWER_SECONDS
            )
        )
    if not isinstance(info.sha, str) or not _COMMIT.fullmatch(info.sha):
        raise no_hub()
    files = {}
    for sibling in info.siblings or []:
        sha256 = sibling.lfs.sha256 if sibling.lfs is not None else None
        if isinstance(sibling.size, int) and _is_digest(sha256) and _is_digest(sibling.blob_id):
            files[sibling.rfilename] = RemoteFile(
                sibling.rfilename, sibling.size, sha256, sibling.blob_id
            )
    return Revision(repo, name, info.sha, files)


def resolve_offline(repo: str, name: str) -> Revision:
    """The branch as the user's Hugging Face cache has it. Raises NotFound where it has not."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, "config.json", revision=name)
    if not isinstance(found, str):
        raise NotFound(
            f"{repo} {name} is not in the Hugging Face cache, and we are offline",
            hint="the same with a network, and without --offline and HF_HUB_OFFLINE",
        )
    folder = Path(found).parent
    files = {}
    for path in folder.iterdir():
        if path.is_file():
            # A blob is named by its sha256, or by git's id of it, and linked from the snapshot.
            digest = path.resolve().name
            if not _DIGEST.fullmatch(digest):
                raise IntegrityError(
                    path,
                    "cannot be verified: it is no link to a blob that is named by its hash",
                    hint=f"copy the cache with its links (cp -a), or download --from {folder}",
                )
            large = len(digest) == 64
            files[path.name] = RemoteFile(
                path.name,
                path.stat().st_size,
                digest if large else None,
                None if large else digest,
            )
    return Revision(repo, name, folder.name, files)


def branches(repo: str) -> list[str]:
    """The names of a repository's branches. Raises as `resolve`."""
    from huggingface_hub import HfApi

    with translated(repo), understood():
        refs = retried(lambda: HfApi().list_repo_refs(repo))
    return [branch.name for branch in refs.branches]


def has_token() -> bool:
    """Whether there is a login."""
    from huggingface_hub import get_token

    return get_token() is not None


def greet(seconds: float = 5.0) -> float:
    """How long the Hub takes for a sensible answer. Raises as `resolve`, after so many seconds."""
    from huggingface_hub import HfApi

    prepare()
    started = time.perf_counter()
    with translated(endpoint()), understood():
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
    progress: Callable[[int], None] = lambda n_bytes: None,
    tick: Callable[[int], None] = lambda n_bytes: None,
) -> str:
    """Download one file of a revision to folder / name, check every byte, and return its sha256.

    progress is told bytes as they come, tick as they are checked. Raises IntegrityError where what
    arrived is not what the Hub describes, and as `resolve`.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url

    _file(revision, name)
    with translated(f"{revision} {name}"):
        # Asked first: what we are about to trust, and that no long pause is asked of us.
        url = hf_hub_url(revision.repo, name, revision=revision.commit)
        metadata = retried(lambda: get_hf_file_metadata(url))
        if metadata.commit_hash is None or metadata.etag is None:
            raise no_hub()
        # The library makes a file's name of it. Which bytes are right, `check` will say.
        if _ETAG.fullmatch(metadata.etag) is None:
            raise IntegrityError(
                f"{revision} {name}", "the Hub calls it by a malformed hash", hint=LATER
            )
        if metadata.commit_hash != revision.commit:
            raise IntegrityError(f"{revision} {name}", "the Hub sends another commit's", hint=LATER)
        told = _told(progress)
        path = Path(
            retried(
                lambda: hf_hub_download(
                    revision.repo,
                    name,
                    revision=revision.commit,
                    local_dir=folder,
                    force_download=True,  # or it would copy a damaged file from the cache
                    tqdm_class=told,
                ),
                on_network=False,  # the library's own retries go on where the bytes stopped
            )
        )
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the library's own notes
    return check(revision, name, path, tick)


def check(
    revision: Revision,
    name: str,
    path: Path,
    tick: Callable[[int], None] = lambda n_bytes: None,
) -> str:
    """The sha256 of a file that is to be this one. Raises IntegrityError where it is another.

    tick is told bytes as they are read.
    """
    file = _file(revision, name)
    where = f"{revision} {name}"
    if path.stat().st_size != file.size:
        raise IntegrityError(where, f"{path.stat().st_size} bytes arrived, of {file.size}")
    if file.sha256 is not None:
        sha256 = file_sha256(path, tick)
        if sha256 != file.sha256:
            raise IntegrityError(
                where,
                f"what arrived has sha256 {sha256}, the Hub says {file.sha256}",
                hint="the same again",
            )
        return sha256
    data = path.read_bytes()
    if file.blob_id is not None:
        # git's own hash of a file, a sha1.
        blob_id = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
        if blob_id != file.blob_id:
            raise IntegrityError(
                where,
                f"what arrived has git id {blob_id}, the Hub says {file.blob_id}",
                hint="the same again",
            )
    return hashlib.sha256(data).hexdigest()


def _file(revision: Revision, name: str) -> RemoteFile:
    if name not in revision.files:
        raise NotFound(f"{revision} has no {name}")
    return revision.files[name]


def _is_digest(value: object) -> bool:
    return value is None or (isinstance(value, str) and _DIGEST.fullmatch(value) is not None)


def _told(progress: Callable[[int], None]) -> Any:
    """A progress bar, as huggingface_hub asks for one, that draws nothing and tells `progress`."""
    from huggingface_hub.utils import tqdm

    class Told(tqdm):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **{**options, "disable": True})

        def update(self, n: float | None = 1) -> None:
            progress(int(n or 0))

        def update_transfer(self, n: float) -> None:
            """Its being here has the library report bytes once, as they are written."""

    return Told
