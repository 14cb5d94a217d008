"""Records in memory, for use from Python."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, SupportsIndex, overload

from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.tables.encoders import ERROR, check_names
from pythia_cli.tables.grouped import GroupedItems, Rows
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.layout import RowLayout
from pythia_cli.tables.problems import MissingExtra
from pythia_cli.tables.progress import TableProgress
from pythia_cli.tables.running import M, Measure, run_items


class Records(list[dict[str, Any]]):
    """Rows of a table, a dict for each, with a value for each of `columns` (None: it has none).

    columns: their names, in order, and what each holds. A slice is Records too.
    """

    def __init__(self, columns: Mapping[str, Kind], rows: Iterable[dict[str, Any]] = ()) -> None:
        super().__init__(rows)
        self.columns = dict(columns)

    def __repr__(self) -> str:
        return f"Records({len(self)} rows: {', '.join(self.columns)})"

    @overload
    def __getitem__(self, index: SupportsIndex) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: slice) -> Records: ...
    def __getitem__(self, index: SupportsIndex | slice) -> dict[str, Any] | Records:
        if isinstance(index, slice):
            return Records(self.columns, super().__getitem__(index))
        return super().__getitem__(index)

    def to_pandas(self) -> Any:
        """A pandas DataFrame with these columns. Raises MissingExtra without pandas."""
        try:
            import pandas
        except ImportError as error:
            raise MissingExtra("pandas", "to_pandas") from error
        return pandas.DataFrame(list(self), columns=list(self.columns))


class RecordList:
    """Where `run_items` writes rows that stay in memory."""

    def __init__(self, columns: Mapping[str, Kind]) -> None:
        self.records = Records(columns)
        self.progress = TableProgress({}, {name: kind.__name__ for name, kind in columns.items()})

    def write(self, records: Sequence[Mapping[str, Any]], progress: TableProgress) -> None:
        """Append rows."""
        names = list(self.records.columns)
        for record in records:
            check_names(record, names)
            self.records.append({name: record.get(name) for name in names})
        self.progress = progress


def collect(
    items: Rows | GroupedItems,
    measured: Mapping[str, Kind],
    openers: Sequence[Callable[[], AbstractContextManager[M]]],
    measure: Measure[M, Any],
    *,
    left_out: Collection[str] = (),
    skip_errors: bool = False,
    reporter: Reporter = SILENT,
) -> Records:
    """The rows of all items in memory, as `run_items` makes them. measured: the measure's columns.

    Without `skip_errors` they have no column `error`.
    """
    layout = RowLayout.of(items.columns, measured, left_out)
    columns = {n: kind for n, kind in layout.columns.items() if skip_errors or n != ERROR}
    table = RecordList(columns)
    run_items(items, table, layout, openers, measure, skip_errors=skip_errors, reporter=reporter)
    return table.records
