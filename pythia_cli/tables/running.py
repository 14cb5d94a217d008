"""Runs a measure over items and checkpoints: the loop that all commands on items share."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from pythia_cli.errors import InputError, PythiaError
from pythia_cli.reporting import SILENT, Reporter, Task
from pythia_cli.tables.batch_size import DEFAULT_LIMITS, BatchSize, Limits
from pythia_cli.tables.grouped import GroupedItems, Rows
from pythia_cli.tables.item import Group, Item
from pythia_cli.tables.item_hash import ItemHash
from pythia_cli.tables.layout import RowLayout, row_name
from pythia_cli.tables.problems import CannotResume, ItemError
from pythia_cli.tables.progress import MeasuredCheckpoint, TableProgress, first_difference


class Measured(Protocol):
    """What is measured: a Model."""

    @property
    def certificate(self) -> dict[str, Any] | None:
        """Its quantization error; None if that was not measured."""

    def provenance(self) -> dict[str, Any]:
        """Its fields in records; `model` and `step` are among them."""


M = TypeVar("M", bound=Measured)
Unit = TypeVar("Unit", Item, Group)


@dataclass(frozen=True)
class RowOf:
    """A record of one item of a group: the row has that item's number and carried columns."""

    item: Item
    record: Mapping[str, Any]


RecordsOfItem = Sequence[Mapping[str, Any] | RowOf]
Measure = Callable[[M, Sequence[Unit]], Sequence[RecordsOfItem | PythiaError]]
"""For each item its records, or its error."""


class RecordTable(Protocol):
    """Where rows go: what `open_table` opens, or `RecordList`."""

    progress: TableProgress

    def write(self, records: Sequence[Mapping[str, Any]], progress: TableProgress) -> None:
        """Append rows; `progress` is then what is done."""


@dataclass(frozen=True)
class ItemRun:
    """What a run did. first_error: of the items that were skipped."""

    n_rows: int
    n_errors: int
    first_error: PythiaError | None


def run_items(
    items: Rows | GroupedItems,
    table: RecordTable,
    layout: RowLayout,
    openers: Sequence[Callable[[], AbstractContextManager[M]]],
    measure: Measure[M, Any],
    *,
    skip_errors: bool = False,
    failed: Callable[[PythiaError], None] = lambda error: None,
    label: str = "measuring",
    limits: Limits = DEFAULT_LIMITS,
    reporter: Reporter = SILENT,
) -> ItemRun:
    """Measure all items with one checkpoint after the other, and write the rows.

    openers: each opens a model, which is closed before the next is opened. measure: is given a
    model and a batch of items, and returns for each its records or its error. skip_errors: an item
    that cannot be read or measured becomes a row with `error`, `failed` is called, and the run goes
    on; otherwise what is before it is written, and its error is raised. A table that was resumed
    goes on behind the items that it has.

    Raises the error of an item, with its place; QuoteError, also with skip_errors; CannotResume if
    the items or checkpoints are not those of the rows that are there; what the openers raise, and
    ResourceError.
    """
    run = _ItemRun(
        items, table, layout, measure, skip_errors=skip_errors, failed=failed, limits=limits
    )
    run.check_items(len(openers), reporter)
    with reporter.task(label, items.n_bytes * len(openers), "B") as task:
        for index, opener in enumerate(openers):
            with opener() as model:
                run.measure_all(index, model, task)
    return ItemRun(run.n_rows, run.n_errors, run.first_error)


class _ItemRun(Generic[M]):
    def __init__(
        self,
        items: Rows | GroupedItems,
        table: RecordTable,
        layout: RowLayout,
        measure: Measure[M, Any],
        *,
        skip_errors: bool,
        failed: Callable[[PythiaError], None],
        limits: Limits,
    ) -> None:
        self._items, self._table, self._layout, self._measure = items, table, layout, measure
        self._skip_errors, self._failed, self._limits = skip_errors, failed, limits
        self._hash = ItemHash()
        self._has_more = True  # than the table has
        self.n_rows = self.n_errors = 0
        self.first_error: PythiaError | None = None

    def check_items(self, n_checkpoints: int, reporter: Reporter) -> None:
        """Raises CannotResume if the items that the table has are not the first of these.

        Raises InputError if the table's file is one of the inputs.
        """
        path = getattr(self._table, "path", None)
        if path is not None and self._items.is_file(path):
            raise InputError(path, "is one of the inputs; name another file to write")
        done = self._table.progress
        if not done.n_hashed:
            return
        iterator: Iterator[Item | Group] = iter(self._items)
        with reporter.task("comparing", self._items.n_bytes, "B") as task:
            self._hash.follow(iterator, done.n_hashed, task)
        if (self._hash.n_items, self._hash.sha256) != (done.n_hashed, done.items_sha256):
            raise self._cannot(
                f"the first {done.n_hashed} items of {self._items.name} are not those of before"
            )
        self._has_more = next(iterator, None) is not None
        is_sole = len(done.checkpoints) == n_checkpoints == 1
        has_complete = any(entry.is_complete for entry in done.checkpoints)
        if has_complete and not is_sole and self._has_more:
            raise self._cannot(
                f"{self._items.name} has more items than the {done.n_hashed} of before, and they"
                " would have to be put between rows that are there"
            )

    def measure_all(self, index: int, model: M, task: Task) -> None:
        """Measure all items with one checkpoint, or those that it has not been given yet."""
        provenance = _as_json(model.provenance())
        n_done = self._n_done(index, provenance, model.certificate)
        if self._table.progress.checkpoints[index].is_complete and not self._has_more:
            task.advance(self._items.n_bytes)
            return
        name = row_name(provenance)
        chosen = BatchSize(self._limits)
        for batch in self._batches(n_done, chosen, task):
            with chosen.timed():
                self._measure_batch(index, model, name, batch)
            task.advance(sum(item.n_bytes for item in batch))
        if not self._table.progress.checkpoints[index].is_complete:
            self._write(index, [], [], is_complete=True)

    def _n_done(
        self, index: int, provenance: dict[str, Any], certificate: dict[str, Any] | None
    ) -> int:
        """How many items the table has of this checkpoint. Raises CannotResume for another one."""
        done = self._table.progress
        if index == len(done.checkpoints):
            begun = (*done.checkpoints, MeasuredCheckpoint(provenance, certificate=certificate))
            self._table.write([], replace(done, checkpoints=begun))
            return 0
        entry = done.checkpoints[index]
        difference = first_difference(entry.provenance, provenance)
        if difference is not None:
            raise self._cannot(f"its checkpoint {index + 1} has another {difference}")
        return entry.n_items

    def _batches(self, n_done: int, chosen: BatchSize, task: Task) -> Iterator[list[Any]]:
        """The items behind the first `n_done`. An error of the input comes after its last batch."""
        batch: list[Item | Group] = []
        size, failure = 0, None
        iterator: Iterator[Item | Group] = iter(self._items)
        while failure is None:
            try:
                item = next(iterator, None)
            except PythiaError as error:
                failure = error
                continue
            if item is None:
                break
            if item.number <= n_done:
                task.advance(item.n_bytes)
                continue
            batch.append(item)
            size += item.n_bytes
            is_last = item.error is not None and not self._skip_errors
            if len(batch) >= chosen.n_items or size >= self._limits.n_bytes or is_last:
                yield batch
                batch, size = [], 0
        if batch:
            yield batch
        if failure is not None:
            raise failure

    def _measure_batch(
        self, index: int, model: M, name: Mapping[str, Any], batch: list[Any]
    ) -> None:
        readable = [item for item in batch if item.error is None]
        found = self._measure(model, readable) if readable else []
        if len(found) != len(readable):
            raise ValueError(f"a measure of {len(readable)} items returned {len(found)} results")
        results = iter(found)
        rows: list[dict[str, Any]] = []
        n_errors = 0
        for at, item in enumerate(batch):
            outcome = next(results) if item.error is None else item.error
            if not isinstance(outcome, PythiaError):
                rows += [self._row(name, item, record) for record in outcome]
                continue
            error = located(item, outcome)
            if not self._skip_errors:
                self._write(index, batch[:at], rows, n_errors)
                raise error
            n_errors += 1
            rows += self._error_rows(name, item, error)
            self._failed(error)
            self.first_error = self.first_error or error
        self._write(index, batch, rows, n_errors)

    def _error_rows(
        self, name: Mapping[str, Any], item: Item | Group, error: PythiaError
    ) -> list[dict[str, Any]]:
        """A row; of a group whose items are rows themselves, one for each of them."""
        if isinstance(item, Group) and self._layout.carries_more_than(item.by):
            return [self._layout.error_row(name, one, error) for one in item.items]
        return [self._layout.error_row(name, item, error)]

    def _row(
        self, name: Mapping[str, Any], item: Item | Group, record: Mapping[str, Any] | RowOf
    ) -> dict[str, Any]:
        if isinstance(record, RowOf):
            return self._layout.row(name, record.item, record.record)
        return self._layout.row(name, item, record)

    def _write(
        self,
        index: int,
        batch: list[Any],
        rows: list[dict[str, Any]],
        n_errors: int = 0,
        *,
        is_complete: bool = False,
    ) -> None:
        """Write the rows of a batch, with what is done then."""
        for item in batch:
            self._hash.add(item)
        done = self._table.progress
        entry = done.checkpoints[index]
        entry = replace(
            entry,
            n_items=entry.n_items + len(batch),
            n_rows=entry.n_rows + len(rows),
            n_errors=entry.n_errors + n_errors,
            is_complete=is_complete,
        )
        checkpoints = (*done.checkpoints[:index], entry, *done.checkpoints[index + 1 :])
        progress = replace(
            done,
            checkpoints=checkpoints,
            n_hashed=self._hash.n_items,
            items_sha256=self._hash.sha256,
        )
        self._table.write(rows, progress)
        self.n_rows += len(rows)
        self.n_errors += n_errors

    def _cannot(self, reason: str) -> CannotResume:
        return CannotResume(getattr(self._table, "path", Path("the table")), reason)


def located(item: Item | Group, error: PythiaError) -> PythiaError:
    """The error, with the place of its item if it does not say that."""
    if isinstance(error, ItemError) or getattr(error, "line", None) is not None:
        return error
    placed = item.failed(error.reason if isinstance(error, InputError) else str(error))
    placed.__cause__ = error
    return placed


def _as_json(content: dict[str, Any]) -> dict[str, Any]:
    """As it is after having been written and read."""
    read: dict[str, Any] = json.loads(json.dumps(content))
    return read
