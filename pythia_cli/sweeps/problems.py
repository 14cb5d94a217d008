"""The errors of sweeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pythia_cli.errors import (
    InputError,
    NetworkError,
    NotFound,
    ResourceError,
    UnknownName,
    UsageError,
)
from pythia_cli.tables.problems import MissingColumn


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


class PlanInUse(UsageError):
    """Another process works on the sweep in this folder, by another plan."""

    def __init__(self, folder: Path) -> None:
        super().__init__(f"{folder}: another process works on this sweep, with another plan")
        self.folder = folder


class MissingMeasureColumn(MissingColumn):
    """An input lacks a column that a measure reads. measure: its name.

    option: of the measure, that names the column.
    """

    def __init__(self, error: MissingColumn, measure: str, options: Mapping[str, Any]) -> None:
        """options: all that the measure has."""
        super().__init__(error.source, error.name, error.columns, error.nearest)
        named = (
            option
            for option, value in options.items()
            if error.name == value or (isinstance(value, list) and error.name in value)
        )
        default = error.name if error.name in options else "column"
        self.measure, self.option = measure, next(named, default)


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


class NoSlurm(NotFound):
    """This computer cannot submit jobs to Slurm. command: the one that is missing."""

    def __init__(self, command: str) -> None:
        super().__init__(f"this computer has no Slurm: there is no {command}")
        self.command = command


class JobRefused(UsageError):
    """Slurm does not take a job. reason: as sbatch says it."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Slurm does not take the job: {reason}")
        self.reason = reason


class NoCluster(NetworkError):
    """No Dask scheduler answers at an address."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"no Dask scheduler answers at {address} ({reason})")
        self.address = address


class WorkersEnded(ResourceError):
    """The workers of a sweep have ended before it was finished.

    path: where to look for why. n_left: cells that are neither done nor failed.
    """

    def __init__(self, path: Path, workers: str, n_left: int, reason: str | None = None) -> None:
        why = f" ({reason})" if reason else ""
        cells = "1 cell was" if n_left == 1 else f"{n_left} cells were"
        super().__init__(path, f"{workers} ended before {cells} done{why}")
        self.n_left = n_left


class NotInTable(UnknownName):
    """The table of a sweep has no such measure, input, group or figure. column: which of these."""

    def __init__(self, column: str, name: str, nearest: list[str]) -> None:
        super().__init__(f"{column} of this sweep", name, nearest)
        self.column = column
