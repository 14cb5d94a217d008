"""The version of this release and the commit it was built from."""

from __future__ import annotations

from pathlib import Path

__version__ = "0.1.0"

ARITHMETIC = {"exact": 1, "fast": 2}
"""By precision: raised when the same int8 file, text and options give other figures than before."""

_PACKAGE = Path(__file__).resolve().parent


def arithmetic_of(precision: str | None) -> dict[str, int]:
    """The version of a precision's ARITHMETIC, for records.

    Nothing for version 1: it has to equal records from before there was such a field.
    """
    version = 1 if precision is None else ARITHMETIC[precision]
    return {"arithmetic": version} if version > 1 else {}


def commit() -> str | None:
    """The commit: that of the wheel (setup.py) or of a checkout's HEAD; None if unknown."""
    try:
        return (_PACKAGE / "commit.txt").read_text().strip() or None
    except OSError:
        return _head(_PACKAGE.parent / ".git")


def in_words() -> str:
    """Version and commit, such as 0.1.0 (1a2b3c4d5e6f)."""
    short = commit()
    return f"{__version__} ({short[:12]})" if short else __version__


def _head(git: Path) -> str | None:
    """The commit of HEAD. Reads .git itself, which takes a tenth of the time of running git."""
    try:
        if git.is_file():  # a worktree, whose HEAD is elsewhere
            git = Path(git.read_text().removeprefix("gitdir:").strip())
        head = (git / "HEAD").read_text().strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        shared = (
            git / (git / "commondir").read_text().strip() if (git / "commondir").exists() else git
        )
        if (shared / name).is_file():
            return (shared / name).read_text().strip()
        for line in (shared / "packed-refs").read_text().splitlines():
            if line.endswith(f" {name}"):
                return line.split()[0]
    except OSError:
        pass
    return None
