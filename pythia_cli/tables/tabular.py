"""Items from TSV and CSV with a header."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pythia_cli.errors import InputError
from pythia_cli.tables.cells import Row, RowReader
from pythia_cli.tables.item import Item


def tabular_items(reader: RowReader, source: str, column: str) -> Iterator[Item]:
    """Yield the items of a table; its first row is the header.

    Raises what `read_header` raises, and QuoteError.
    """
    rows = iter(reader)
    header = read_header(rows, source)
    for number, row in enumerate(rows, 1):
        error = row.error
        if error is None and len(row.cells) != len(header):
            error = reader.ragged(row, len(header))
        fields = {} if error else dict(zip(header, row.cells, strict=True))
        yield Item(number, row.line, fields, source, column, row.n_bytes, error)


def read_header(rows: Iterator[Row], source: str) -> list[str]:
    """The names of the columns. Raises InputError if they are not different names."""
    row = next(rows, None)
    if row is None:
        raise InputError(source, "is empty; expected a header and rows")
    if row.error is not None:
        raise row.error
    at = f"the header (line {row.line})"
    unnamed = [index for index, name in enumerate(row.cells, 1) if not name.strip()]
    if unnamed:
        index_of_pandas = ": the index of pandas? (index=False leaves it out)"
        why = index_of_pandas if unnamed == [1] else ""
        raise InputError(source, f"{at} has no name for column {unnamed[0]}{why}")
    if len(row.cells) == 1 and (other := next((s for s in ";\t,|" if s in row.cells[0]), None)):
        what = "a tab" if other == "\t" else repr(other)
        raise InputError(
            source, f"{at} is one column, {row.cells[0]!r}; are {what} its separators?"
        )
    twice = [name for name, n in Counter(row.cells).items() if n > 1]
    if twice:
        raise InputError(source, f"{at} names column {twice[0]!r} twice")
    return row.cells
