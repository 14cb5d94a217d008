"""How far the writing of a table got: the file beside it from which a later run goes on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pythia_cli.errors import IntegrityError, NotFound
from pythia_cli.files.publishing import write_json
from pythia_cli.files.reading import read_json_object

UNFINISHED, META = ".partial.json", ".meta.json"
"""Behind the name of a table: what its rows so far, and those of the whole table, are of."""

_VERSION = 1


@dataclass(frozen=True)
class MeasuredCheckpoint:
    """A checkpoint, by its provenance, and how many items it was given.

    n_rows, n_errors: what came of them. is_complete: there were no more items. certificate: its
    quantization error; None if that was not measured.
    """

    provenance: dict[str, Any]
    n_items: int = 0
    n_rows: int = 0
    n_errors: int = 0
    is_complete: bool = False
    certificate: dict[str, Any] | None = None


@dataclass(frozen=True)
class TableProgress:
    """What a table holds so far.

    identity: what was asked for; columns: names and kinds. checkpoints: in order. n_hashed,
    items_sha256: of the first so many items, as far as any checkpoint got. n_bytes: of the rows.
    is_whole: all rows are there.
    """

    identity: dict[str, Any]
    columns: dict[str, str]
    checkpoints: tuple[MeasuredCheckpoint, ...] = ()
    n_hashed: int = 0
    items_sha256: str = ""
    n_bytes: int = 0
    is_whole: bool = False

    @property
    def n_items(self) -> int:
        """Items measured, over all checkpoints."""
        return sum(done.n_items for done in self.checkpoints)

    def write(self, path: Path) -> None:
        """Write it as JSON, atomically. Raises OSError."""
        write_json(path, {"version": _VERSION, **asdict(self)})


def read_progress(path: Path) -> TableProgress | None:
    """What a file of `TableProgress.write` says; None if there is no such file.

    Raises IntegrityError for another file, and ResourceError.
    """
    try:
        content = read_json_object(path)
    except NotFound:
        return None
    try:
        if content.pop("version") != _VERSION:
            raise ValueError("written by another version of pythia")
        done = tuple(MeasuredCheckpoint(**entry) for entry in content.pop("checkpoints"))
        return TableProgress(**content, checkpoints=done)
    except (KeyError, TypeError, ValueError) as error:
        raise IntegrityError(path, f"is not the progress of a table ({error})") from error


def earlier_identity(path: Path, *, may_be_whole: bool) -> dict[str, Any]:
    """What an earlier run was asked for that left a table at `path`; empty if none did.

    may_be_whole: of a complete table too. Raises IntegrityError and ResourceError.
    """
    target = path.resolve()
    for end in (UNFINISHED, META) if may_be_whole else (UNFINISHED,):
        found = read_progress(target.with_name(target.name + end))
        if found is not None:
            return found.identity
    return {}


def first_difference(before: Any, now: Any, name: str = "") -> str | None:
    """The name of the first field that differs, such as "options.stride"; None if all agree."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in dict.fromkeys([*before, *now]):
            inner = f"{name}.{key}" if name else str(key)
            if (key in before) != (key in now):
                return inner
            if (found := first_difference(before[key], now[key], inner)) is not None:
                return found
        return None
    return None if before == now else name
