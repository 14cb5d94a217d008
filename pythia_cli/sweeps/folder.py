"""The folder of a sweep: its plan, the results of its cells, and what failed.

DIR/plan.json                            SweepPlan
DIR/cells/MODEL/stepN/MEASURE-KEY.json   the result of a cell; it appears whole, when all is done
DIR/cells/MODEL/stepN/MEASURE-KEY.tsv    the rows of its items, if it has some
DIR/failures/MODEL/stepN/...             why a cell, or a whole checkpoint, failed
DIR/locks/MODEL@STEP.lock                held while a process works on the checkpoint
DIR/table.csv, table.parquet             all figures so far
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pythia_cli.errors import IntegrityError, LockTimeout, NotFound, PythiaError, ResourceError
from pythia_cli.files.locks import is_locked, lock
from pythia_cli.files.publishing import remove_unpublished, write_json
from pythia_cli.files.reading import read_json_object
from pythia_cli.files.writing import writing_errors
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.sweeps.figures import Figure
from pythia_cli.sweeps.plan import Cell, SweepPlan
from pythia_cli.sweeps.problems import NoSweep, PlanInUse

_VERSION = 1
WHOLE = "checkpoint"
"""The name of the failure of a whole checkpoint."""
_SHORT_WAIT = 60.0  # seconds, for locks that are never held for long


@dataclass(frozen=True)
class CellResult:
    """What a cell found. provenance: of the model. seconds: that measuring it took."""

    checkpoint: dict[str, Any]
    measure: dict[str, Any]
    input: dict[str, Any]
    provenance: dict[str, Any]
    certificate: dict[str, Any] | None
    figures: list[Figure]
    seconds: float
    finished: float


@dataclass(frozen=True)
class Failure:
    """Why a cell failed, or a whole checkpoint.

    kind: the class of the error in pythia_cli.errors. attempts: how often it was tried. when:
    seconds since 1970. how: how it was to be had and run, if that is what failed.
    """

    error: str
    kind: str
    attempts: int
    when: float
    host: str
    how: str = ""


class SweepFolder:
    """A folder that holds a sweep, or will."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.has_locks = True
        """Whether locks of its files keep others out, as far as this has been tried."""

    def __repr__(self) -> str:
        return f"SweepFolder({self.path})"

    def read_plan(self) -> SweepPlan:
        """The plan. Raises NoSweep if there is none, and IntegrityError if it is damaged."""
        path = self.path / "plan.json"
        try:
            return SweepPlan.of_dict(read_json_object(path), path)
        except NotFound:
            raise NoSweep(self.path) from None
        except ResourceError as error:
            if isinstance(error.__cause__, NotADirectoryError):
                raise NoSweep(self.path) from None
            raise

    def write_plan(self, plan: SweepPlan) -> None:
        """Keep a plan, in place of an earlier one.

        Raises PlanInUse if a process works by that one: what it does would not be in the table.
        """
        with self.changing():
            path = self.path / "plan.json"
            self.remove_unpublished(path)
            with contextlib.suppress(NotFound, IntegrityError, ResourceError):
                content = read_json_object(path)
                if content == plan.to_dict():
                    return
                before = SweepPlan.of_dict(content, path)
                if any(map(self.is_claimed, before.checkpoints)):
                    raise PlanInUse(self.path)
            write_json(path, plan.to_dict())

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the lock for what belongs to no checkpoint. Raises ResourceError for an OSError."""
        with writing_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            named = f"the sweep in {self.path}"
            with lock(self._lock("sweep"), named, _SHORT_WAIT) as self.has_locks:
                yield

    def remove_unpublished(self, path: Path) -> None:
        """Remove what killed processes left that published at `path`; nothing without locks.

        Another process may be publishing there then. Raises OSError.
        """
        if self.has_locks:
            remove_unpublished(path)

    def claim(self, checkpoint: Checkpoint, *, ahead: bool = False) -> ExitStack | None:
        """Take a checkpoint for this process, until the stack is closed; None if another has it.

        ahead: only say that it is to be this process's next one: another that has nothing else to
        do may take it nevertheless. The claim of a process that died is free at once. Where files
        cannot be locked, everybody gets it: work is then done twice, and nothing is lost. Raises
        ResourceError.
        """
        with ExitStack() as stack, writing_errors(self.path):
            try:
                name = f"{checkpoint}.next" if ahead else str(checkpoint)
                self.has_locks = stack.enter_context(lock(self._lock(name), name, 0))
            except LockTimeout:
                return None
            return stack.pop_all()
        raise AssertionError("the exit stack suppressed an exception")

    def is_claimed(self, checkpoint: Checkpoint) -> bool:
        """Whether a process works on a checkpoint, or will next. Needs no right to write."""
        return self.is_running(checkpoint) or self.is_next(checkpoint)

    def is_running(self, checkpoint: Checkpoint) -> bool:
        """Whether a process works on a checkpoint."""
        return self._is_locked(str(checkpoint))

    def is_next(self, checkpoint: Checkpoint) -> bool:
        """Whether it is the next one of a process."""
        return self._is_locked(f"{checkpoint}.next")

    def _is_locked(self, name: str) -> bool:
        with contextlib.suppress(OSError):  # it cannot be read: then nobody can say
            return is_locked(self._lock(name))
        return False

    def rows(self, cell: Cell) -> Path:
        """Where the rows of a cell are, if its measure makes some."""
        return self._cells(cell.checkpoint) / f"{cell.name}.tsv"

    @contextlib.contextmanager
    def writing_rows(self, cell: Cell) -> Iterator[Path]:
        """Where to write the rows of a cell that is claimed; they are in their place afterwards.

        Without locks that is a place of this process's own, as another may be writing them too.
        Raises ResourceError.
        """
        path = self.rows(cell)
        if self.has_locks:
            yield path
            return
        own = path.with_name(f".{cell.name}-{uuid.uuid4().hex[:12]}")
        try:
            with writing_errors(self.path):
                own.mkdir(parents=True)
            yield own / path.name
            with writing_errors(self.path):
                for written in own.iterdir():
                    written.replace(path.with_name(written.name))
        finally:
            shutil.rmtree(own, ignore_errors=True)

    def finished(self, checkpoint: Checkpoint) -> set[str]:
        """The names of the cells of a checkpoint that have a result."""
        return _names(self._cells(checkpoint))

    def failed(self, checkpoint: Checkpoint) -> set[str]:
        """The names of the cells of a checkpoint that failed; "checkpoint" if it did as a whole."""
        return _names(self._failures(checkpoint))

    def result(self, cell: Cell) -> CellResult:
        """The result of a cell. Raises NotFound, and IntegrityError if it is not its result."""
        path = self._cells(cell.checkpoint) / f"{cell.name}.json"
        content = read_json_object(path)
        try:
            if content.pop("version") != _VERSION:
                raise ValueError("written by another version of pythia")
            content["figures"] = [Figure(*one) for one in content["figures"]]
            found = CellResult(**content)
            named = [found.checkpoint["model"], found.checkpoint["step"], found.input["sha256"]]
            if named != [cell.checkpoint.model, cell.checkpoint.step, cell.input.sha256]:
                raise ValueError("of another cell")
            return found
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(path, f"is not the result of a cell ({error})") from error

    def publish(self, cell: Cell, result: CellResult) -> None:
        """Write the result of a cell, and forget its failure. Raises ResourceError."""
        content = {"version": _VERSION, **asdict(result)}
        content["figures"] = [list(vars(one).values()) for one in result.figures]
        path = self._cells(cell.checkpoint) / f"{cell.name}.json"
        with writing_errors(self.path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self.remove_unpublished(path)
            write_json(path, content)
            self._forget(cell.checkpoint, cell.name)

    def record_failure(
        self,
        checkpoint: Checkpoint,
        cell: Cell | None,
        error: PythiaError,
        when: float,
        how: str = "",
    ) -> None:
        """Write why a cell failed, or with None the whole checkpoint. Raises OSError."""
        name = WHOLE if cell is None else cell.name
        earlier = self.failure(checkpoint, name)
        attempts = 1 if earlier is None else earlier.attempts + 1
        kind = next(one for one in type(error).__mro__ if one.__module__ == PythiaError.__module__)
        failure = Failure(str(error), kind.__name__, attempts, when, socket.gethostname(), how)
        path = self._failures(checkpoint) / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        self.remove_unpublished(path)
        write_json(path, {"version": _VERSION, **asdict(failure)})

    def failure(self, checkpoint: Checkpoint, name: str) -> Failure | None:
        """Why a cell failed, by its name, or with "checkpoint" the whole; None if it did not."""
        path = self._failures(checkpoint) / f"{name}.json"
        try:
            content = read_json_object(path)
            content.pop("version")
            return Failure(**content)
        except NotFound:
            return None
        except (IntegrityError, KeyError, TypeError):
            return Failure(
                f"{path} is damaged: why is not known", IntegrityError.__name__, 1, 0, ""
            )

    def forget_failure(self, checkpoint: Checkpoint, name: str = WHOLE) -> None:
        """Remove the record of a failure. Raises ResourceError."""
        with writing_errors(self.path):
            self._forget(checkpoint, name)

    def _forget(self, checkpoint: Checkpoint, name: str) -> None:
        folder = self._failures(checkpoint)
        (folder / f"{name}.json").unlink(missing_ok=True)
        for empty in (folder, folder.parent, folder.parent.parent):
            with contextlib.suppress(OSError):  # it holds other failures
                empty.rmdir()

    def _cells(self, checkpoint: Checkpoint) -> Path:
        return self.path / "cells" / checkpoint.model / checkpoint.revision

    def _failures(self, checkpoint: Checkpoint) -> Path:
        return self.path / "failures" / checkpoint.model / checkpoint.revision

    def _lock(self, name: str) -> Path:
        return self.path / "locks" / f"{name}.lock"


def _names(folder: Path) -> set[str]:
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return set()
    return {
        name.removesuffix(".json")
        for name in names
        if name.endswith(".json") and not name.startswith(".") and ".tsv." not in name
    }
