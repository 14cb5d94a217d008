"""The inputs of a sweep: hashed when it begins, and looked at again before each cell."""

from __future__ import annotations

import os
from pathlib import Path

from pythia_cli.errors import NotFound, ResourceError
from pythia_cli.sweeps.plan import PlannedMeasure, SweepInput
from pythia_cli.sweeps.problems import InputChanged

_Status = tuple[int, int, int]


class InputWatch:
    """Notices that an input was changed: its result would be one of another input.

    A file is hashed again only if its size, time or inode differ from those of before.
    """

    def __init__(self) -> None:
        self._known: dict[str, _Status] = {}

    def check(self, planned: PlannedMeasure, one: SweepInput) -> None:
        """Raises InputChanged, NotFound and ResourceError."""
        if not planned.measure.takes_files:
            return
        now = _status(one.source)
        if self._known.get(one.source) == now:
            return
        if planned.measure.sha256(one.source) != one.sha256 or _status(one.source) != now:
            raise InputChanged(one.name)
        self._known[one.source] = now


def _status(source: str) -> _Status:
    try:
        found = os.stat(source)
    except FileNotFoundError:
        raise NotFound(f"{source} does not exist") from None
    except OSError as error:
        raise ResourceError(Path(source), f"cannot be read ({error.strerror})") from error
    return found.st_size, found.st_mtime_ns, found.st_ino
