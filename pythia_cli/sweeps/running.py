"""Runs a sweep in this process: claims one checkpoint after the other, and measures its cells."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import IntegrityError, NotInstalled, PythiaError, ResourceError
from pythia_cli.library.load import load
from pythia_cli.library.model import Model
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.sweeps.claiming import ClaimedCheckpoint, Claims
from pythia_cli.sweeps.fetching import Fetcher
from pythia_cli.sweeps.folder import WHOLE, CellResult, SweepFolder
from pythia_cli.sweeps.inputs import InputWatch
from pythia_cli.sweeps.plan import Cell, SweepPlan
from pythia_cli.sweeps.table import write_tables

_TABLE_SECONDS = 60.0  # between tables while the sweep runs
_LOOK_SECONDS = 0.5  # between looks at checkpoints that other processes have


class CellsDone(NamedTuple):
    """What a run did itself: cells measured, and cells and checkpoints that failed.

    first: the error of the first failure.
    """

    n_measured: int
    n_failed: int
    first: PythiaError | None


@dataclass
class SweepRun:
    """Measures what is missing of a sweep, until nothing is left that this process can do.

    checkpoints: those of the plan that are this process's to do. retry: what failed earlier too.
    failed: is called with each failure as it comes: where, and the error. n_threads: as for `load`.
    is_over: asked before each cell, and while it waits, whether to stop.
    """

    folder: SweepFolder
    plan: SweepPlan
    store: Store
    fetcher: Fetcher
    checkpoints: Sequence[Checkpoint]
    retry: bool = False
    n_threads: int | None = None
    failed: Callable[[str, PythiaError], None] = lambda where, error: None
    is_over: Callable[[], bool] = lambda: False
    reporter: Reporter = SILENT
    _n_measured: int = field(default=0, init=False)
    _n_failed: int = field(default=0, init=False)
    _first: PythiaError | None = field(default=None, init=False)
    _has_warned: bool = field(default=False, init=False)
    _tried: set[tuple[Checkpoint, str]] = field(default_factory=set, init=False)
    _intact: set[tuple[Checkpoint, str]] = field(default_factory=set, init=False)
    _next_tables: float = field(
        default_factory=lambda: time.monotonic() + _TABLE_SECONDS, init=False
    )

    def run(self) -> CellsDone:
        """Do the work. Raises ResourceError if not even a failure can be recorded."""
        self._watch = InputWatch()
        waiting = [one for one in self.checkpoints if self._pending(one)]
        n_cells = sum(len(self._pending(one)) for one in waiting)
        claims = Claims(self.folder, self.store, self.fetcher, self._pending)
        has_noted = False
        with ExitStack() as stack:
            self._task = stack.enter_context(self.reporter.task("cells", n_cells, "cells"))
            stack.callback(self.fetcher.stop)
            ahead: ClaimedCheckpoint | None = None

            def let_go() -> None:
                if ahead is not None:
                    ahead.claim.close()

            stack.callback(let_go)
            while (waiting or ahead is not None) and not self.is_over():
                now = claims.begin(ahead, waiting) or claims.claim(waiting)
                ahead = None
                if now is None:
                    if not waiting:
                        break
                    if not has_noted:
                        self.reporter.note(
                            f"waiting for another pythia process, which works on {waiting[0]}"
                        )
                        has_noted = True
                    time.sleep(_LOOK_SECONDS)
                    waiting = [one for one in waiting if self._pending(one)]
                    continue
                self._warn_once()
                with now.claim:
                    ahead = claims.claim_ahead(waiting)
                    self._take(now)
                self._write_tables()
        return CellsDone(self._n_measured, self._n_failed, self._first)

    def _warn_once(self) -> None:
        """Say so if two processes could have the same checkpoint."""
        if not self.folder.has_locks and not self._has_warned:
            self._has_warned = True
            self.reporter.note(
                f"{self.folder.path}: files cannot be locked here; several processes may do the"
                " same work, unless each has a shard of its own"
            )

    def _write_tables(self) -> None:
        """Bring the tables up to date from time to time: a killed sweep leaves them."""
        if time.monotonic() >= self._next_tables:
            begun = time.monotonic()
            write_tables(self.folder)
            now = time.monotonic()
            self._next_tables = now + max(_TABLE_SECONDS, 20 * (now - begun))

    def _pending(self, checkpoint: Checkpoint) -> list[Cell]:
        """The cells of a checkpoint that are to be measured, each once."""
        done = self.folder.finished(checkpoint)
        if self.retry:
            done -= self._damaged(checkpoint, done)
        else:
            failed = self.folder.failed(checkpoint)
            failure = self.folder.failure(checkpoint, WHOLE) if WHOLE in failed else None
            if failure is not None and failure.how == self._how:
                return []
            done |= failed
        if (checkpoint, WHOLE) in self._tried:
            return []
        left = {cell.name: cell for cell in self.plan.cells_of(checkpoint)}
        return [
            cell
            for name, cell in left.items()
            if name not in done and (checkpoint, name) not in self._tried
        ]

    def _damaged(self, checkpoint: Checkpoint, done: set[str]) -> set[str]:
        """The names of results that cannot be read."""
        found = set()
        for cell in self.plan.cells_of(checkpoint):
            if cell.name in done and (checkpoint, cell.name) not in self._intact:
                try:
                    self.folder.result(cell)
                    self._intact.add((checkpoint, cell.name))
                except PythiaError:
                    found.add(cell.name)
        return found

    @property
    def _how(self) -> str:
        """What a checkpoint that cannot be had or opened may fail for."""
        fetcher = self.fetcher
        return (
            f"{self.plan.dtype} {self.plan.precision},"
            f" offline {fetcher.offline}, keep under {fetcher.keep_under}"
        )

    def _take(self, claimed: ClaimedCheckpoint) -> None:
        """Measure the cells of a checkpoint."""
        checkpoint = claimed.checkpoint
        try:
            model = self._opened(claimed)
        except (PythiaError, MemoryError, OSError) as error:
            self._fail(checkpoint, None, error)
            return
        with model:
            try:
                self._check_weights(checkpoint, model)
            except PythiaError as error:
                self._fail(checkpoint, None, error)
                return
            self.folder.forget_failure(checkpoint)
            for cell in self._pending(checkpoint):
                if self.is_over():
                    return
                try:
                    self._measure(cell, model)
                except (PythiaError, MemoryError, OSError) as error:
                    self._fail(checkpoint, cell, error)

    def _opened(self, claimed: ClaimedCheckpoint) -> Model:
        """The model; fetched again if another process removed it when it had been fetched."""
        claimed.fetched.result()
        try:
            return self._load(claimed.checkpoint)
        except NotInstalled:
            self.fetcher.start(claimed.checkpoint).result()
            return self._load(claimed.checkpoint)

    def _load(self, checkpoint: Checkpoint) -> Model:
        return load(
            checkpoint.model,
            checkpoint.step,
            dtype=self.plan.dtype,  # type: ignore[arg-type]
            precision=self.plan.precision,  # type: ignore[arg-type]
            n_threads=self.n_threads,
            plain_text=self.plan.plain_text,
            store=self.store,
            reporter=self.reporter,
        )

    def _measure(self, cell: Cell, model: Model) -> None:
        self._watch.check(cell.planned, cell.input)
        begun = time.perf_counter()
        measure = cell.planned.measure
        with self.folder.writing_rows(cell) as rows:
            figures = measure.take(model, cell.input.source, rows, self.reporter)
        planned = cell.planned.to_dict()
        result = CellResult(
            cell.checkpoint.to_dict(),
            {name: planned[name] for name in ("measure", "options")},
            vars(cell.input),
            model.provenance(),
            model.certificate,
            figures,
            time.perf_counter() - begun,
            time.time(),
        )
        self.folder.publish(cell, result)
        self._n_measured += 1
        self._task.advance(1)

    def _check_weights(self, checkpoint: Checkpoint, model: Model) -> None:
        """Raises IntegrityError if cells of this checkpoint were measured with other weights."""
        done = self.folder.finished(checkpoint)
        done -= self._damaged(checkpoint, done)
        for cell in self.plan.cells_of(checkpoint):
            if cell.name not in done:
                continue
            earlier, now = self.folder.result(cell).provenance, model.provenance()
            for what in ("source", "quantization", "tokenizer_sha256"):
                if earlier[what] != now[what]:
                    raise IntegrityError(
                        self.folder.rows(cell).parent,
                        f"its cells were measured with another {what} than that of {checkpoint},"
                        " which is installed now; remove this folder to measure it again",
                    )
            return

    def _fail(self, checkpoint: Checkpoint, cell: Cell | None, error: Any) -> None:
        """Record a failure. Raises the error if even that cannot be written."""
        known = _as_pythia_error(error, checkpoint)
        n_lost = 1 if cell is not None else len(self._pending(checkpoint))
        self._tried.add((checkpoint, WHOLE if cell is None else cell.name))
        try:
            self.folder.record_failure(checkpoint, cell, known, time.time(), self._how)
        except OSError:
            raise known from error
        self._n_failed += 1
        self._task.advance(n_lost)
        self._first = self._first or known
        self.failed(str(checkpoint if cell is None else cell), known)


def _as_pythia_error(error: Exception, checkpoint: Checkpoint) -> PythiaError:
    if isinstance(error, PythiaError):
        return error
    if isinstance(error, MemoryError):
        return ResourceError(str(checkpoint), "not enough memory")
    reason = getattr(error, "strerror", None) or str(error)
    return ResourceError(getattr(error, "filename", None) or str(checkpoint), reason)
