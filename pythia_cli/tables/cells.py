"""Rows of TSV and CSV, one cell for each column, through Python's csv module."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from pythia_cli.errors import InputError
from pythia_cli.tables.byte_lines import LONGEST, ByteLine
from pythia_cli.tables.decoding import decode_line, too_long
from pythia_cli.tables.problems import ItemError, QuoteError


class Row(NamedTuple):
    """A row that is not blank. line: where it begins. cells: none if it has an error."""

    line: int
    cells: list[str]
    n_bytes: int
    n_lines: int
    error: InputError | None


class RowReader:
    """Reads rows. quotes: a cell in double quotes may hold separators, line ends and quotes.

    nuls: a cell may hold NUL characters. Otherwise they are an error: most files that have them are
    no text.

    An error that leaves no doubt where the next row begins is that of its row; iteration goes on.
    Raises QuoteError where there is doubt: to go on would be to guess. `noted` is called once, with
    the line of the first cell that holds both a line end and a separator. The csv module's limit of
    a cell, which is one for the whole process, is raised to the bytes that an item may have.
    """

    def __init__(
        self,
        lines: Iterable[ByteLine],
        source: str,
        separator: str,
        *,
        quotes: bool = True,
        nuls: bool = False,
        noted: Callable[[int], None] = lambda line: None,
    ) -> None:
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST))
        self._lines, self._source, self._separator = iter(lines), source, separator
        self._quotes, self._nuls, self._noted = quotes, nuls, noted
        options: dict[str, Any] = {} if quotes else {"quoting": csv.QUOTE_NONE}
        self._reader = csv.reader(self._texts(), delimiter=separator, strict=True, **options)
        self._read: list[ByteLine] = []
        self._n_bytes = 0
        self._error: InputError | None = None

    def __iter__(self) -> Iterator[Row]:
        while True:
            self._read, self._n_bytes, self._error = [], 0, None
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                cells = []
                broken = self._broken(error)
                self._error = self._error or broken
            if self._error is None and not self._nuls and any("\0" in cell for cell in cells):
                self._error = self._failed("holds a NUL character")
            if self._error is None and (not cells or (len(cells) == 1 and not cells[0].strip())):
                continue
            if self._error is None and self._spans and any(map(self._is_doubtful, cells)):
                self._noted(self._begin)
                self._noted = lambda line: None
            yield Row(self._begin, cells, self._n_bytes, len(self._read), self._error)

    @property
    def _begin(self) -> int:
        return self._read[0].number

    @property
    def _spans(self) -> bool:
        """Whether the row has more than one line."""
        return len(self._read) > 1

    def _texts(self) -> Iterator[str]:
        """The lines of a row, with their ends, as the csv module asks for them."""
        for line in self._lines:
            self._read.append(line)
            self._n_bytes += line.n_bytes
            if line.is_too_long:
                self._error = self._error or too_long(line, self._source)
                if self._quotes and (self._spans or line.n_quotes):
                    raise self._doubt("its row cannot be read to its end")
            if self._n_bytes > LONGEST and self._spans:
                raise self._doubt(f"a quote is still open after {LONGEST >> 20} MiB")
            text = decode_line(line, self._source)
            if isinstance(text, InputError):
                # Its quotes count nevertheless: they say where the row ends.
                self._error = self._error or text
                text = line.data.decode("utf-8", errors="replace")
            yield text + line.end.decode()

    def _broken(self, error: csv.Error) -> InputError:
        """The error of a row that csv refuses. Raises QuoteError if the next may begin anywhere."""
        line = self._read[-1]
        if "unexpected end" in str(error):
            raise self._doubt("a quote is opened and never closed") from None
        if "expected after" not in str(error):
            return self._failed(str(error))
        if self._spans:
            raise self._doubt(
                f"a quote is opened, and closed within a cell of line {line.number}"
            ) from None
        if line.data.count(b'"') % 2:
            raise self._doubt("its quotes do not match") from None
        reason = "a quote is closed before the end of its cell"
        return QuoteError(self._source, self._begin, reason, ends_reading=False)

    def ragged(self, row: Row, n_columns: int) -> ItemError:
        """The error of a row of another number of cells. Raises QuoteError if it spans lines."""
        has, expected = len(row.cells), f"the header has {n_columns}"
        if row.n_lines > 1:
            joined = f"a quote joins {row.n_lines} lines to a row of {has} cells, where {expected}"
            raise self._doubt(joined, row.line)
        return ItemError(
            self._source, row.line, f"has {has} cell{'s' * (has != 1)}, where {expected}"
        )

    def _is_doubtful(self, cell: str) -> bool:
        return self._separator in cell and ("\n" in cell or "\r" in cell)

    def _failed(self, reason: str) -> ItemError:
        return ItemError(self._source, self._begin, reason)

    def _doubt(self, reason: str, line: int | None = None) -> QuoteError:
        begin = self._begin if line is None else line
        reason = f"{reason}; nothing behind it is read"
        return QuoteError(self._source, begin, reason, ends_reading=True)
