"""Where the float weights of an int8 file came from."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any

SHA256 = re.compile("[0-9a-f]{64}")
COMMIT = re.compile("[0-9a-f]{40}")
"""A commit on the Hub."""


@dataclass(frozen=True)
class Source:
    """Where the float weights came from. files: the sha256 of each weights file, by name."""

    repo: str | None
    revision: str | None
    commit: str | None
    files: dict[str, str]

    @classmethod
    def from_dict(cls, content: Any) -> Source:
        """The inverse of to_dict. Raises ValueError, with the field, for anything else."""
        if not isinstance(content, dict):
            raise ValueError("source is not an object")
        for field in ("repo", "revision", "commit"):
            if not isinstance(content.get(field), str | None):
                raise ValueError(f"source.{field} is not a text")
        files = content.get("files")
        if not isinstance(files, dict) or not files:
            raise ValueError("source.files names no files")
        if not all(isinstance(digest, str) for digest in files.values()):
            raise ValueError("source.files holds something else than hashes")
        "".join([*files, *files.values()]).encode()  # raises for lone surrogates
        return cls(content.get("repo"), content.get("revision"), content.get("commit"), files)

    @property
    def sha256(self) -> str:
        """sha256 of the weights file; of several shards, that of their `sha256sum` listing."""
        if len(self.files) == 1:
            return next(iter(self.files.values()))
        listing = "".join(f"{self.files[name]}  {name}\n" for name in sorted(self.files))
        return hashlib.sha256(listing.encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "repo": self.repo,
            "revision": self.revision,
            "commit": self.commit,
            "sha256": self.sha256,
            "files": self.files,
        }
