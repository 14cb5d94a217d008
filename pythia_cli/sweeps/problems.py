"""The errors of sweeps."""

from __future__ import annotations

from pathlib import Path

from pythia_cli.errors import InputError, NotFound, ResourceError, UnknownName, UsageError


class NoSweep(NotFound):
    """A folder holds no sweep."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder} holds no sweep")
        self.folder = folder


class NothingPlanned(UsageError):
    """A sweep without measures, or without checkpoints. missing: which of the two."""

    def __init__(self, missing: str) -> None:
        super().__init__(f"the sweep has no {missing}")
        self.missing = missing


class InputChanged(InputError):
    """An input is no longer the file that the sweep began with."""

    def __init__(self, source: str | Path) -> None:
        super().__init__(source, "was changed while the sweep ran; run the same command again")


class RoomTooSmall(ResourceError):
    """A checkpoint does not fit into the room that the sweep may use. n_bytes, limit: bytes."""

    def __init__(self, path: Path, checkpoint: object, n_bytes: int, free: int, limit: int) -> None:
        needed, left, allowed = (f"{n / 1e6:,.0f} MB" for n in (n_bytes, max(0, free), limit))
        super().__init__(
            path, f"{checkpoint} needs {needed}, and of {allowed} for the store {left} are left"
        )
        self.n_bytes, self.limit = n_bytes, limit


class NotInTable(UnknownName):
    """The table of a sweep has no such measure, input, group or figure. column: which of these."""

    def __init__(self, column: str, name: str, nearest: list[str]) -> None:
        super().__init__(f"{column} of this sweep", name, nearest)
        self.column = column
