"""A branch of a repository, made from what the Hub answers; nothing else of the answer is used.

The Hub's answer is checked here, once: types, names, sizes, hashes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pythia_cli.checkpoints.hub_errors import not_a_hub
from pythia_cli.weights.source import COMMIT, SHA256

_REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}/[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
_TOP_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
BLOB_ID = re.compile(r"[0-9a-f]{40}")
_LARGEST = 10**12  # bytes; no file of a Pythia is half a terabyte


@dataclass(frozen=True)
class RemoteFile:
    """A file of a revision: its size in bytes, and its sha256 (large files) or git blob id.

    If the Hub states no valid size and hash, it has neither, and cannot be fetched.
    """

    name: str
    size: int
    sha256: str | None
    blob_id: str | None

    @property
    def digest(self) -> str | None:
        """The hash by which its bytes are verified; None if it cannot be verified."""
        return self.sha256 or self.blob_id


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


def revision_of(answer: Any, repo: str, name: str) -> Revision:
    """The revision that an answer describes. Raises NotAHub if it does not describe one.

    Files below the top folder are left out.
    """
    commit, there = _field(answer, "sha", str), _field(answer, "siblings", list)
    answered = answer.get("id", repo)
    if not COMMIT.fullmatch(commit):
        raise not_a_hub("it states no valid commit")
    files = {}
    for entry in there:
        found = _field(entry, "rfilename", str)
        if _TOP_FILE.fullmatch(found):
            files[found] = _file(found, entry)
    is_another = _matches(_REPO, answered) and answered.lower() != repo.lower()
    return Revision(repo, name, commit, files, answered if is_another else None)


def branch_names(answer: Any) -> list[str]:
    """The names of the branches in an answer about a repository's refs. Raises NotAHub."""
    return [_field(entry, "name", str) for entry in _field(answer, "branches", list)]


def _file(name: str, entry: dict[str, Any]) -> RemoteFile:
    large, size, blob_id = entry.get("lfs"), entry.get("size"), entry.get("blobId")
    sha256 = large.get("sha256") if isinstance(large, dict) else None
    sha256, blob_id = (v.lower() if isinstance(v, str) else v for v in (sha256, blob_id))
    if (
        type(size) is int
        and 0 <= size <= _LARGEST
        and (large is None or _matches(SHA256, sha256))
        and (blob_id is None or _matches(BLOB_ID, blob_id))
    ):
        return RemoteFile(name, size, sha256, blob_id)
    return RemoteFile(name, 0, None, None)


def _field(answer: Any, name: str, kind: type) -> Any:
    found = answer.get(name) if isinstance(answer, dict) else None
    if type(found) is not kind:
        raise not_a_hub(f"its answer has no valid {name}")
    return found


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
