"""Items: the texts that a measure reads, with the other columns of their lines."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Self

from pythia_cli.errors import InputError, NotUtf8
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.tables.byte_lines import LINE_ENDS, NULS, ByteLine, byte_lines
from pythia_cli.tables.cells import RowReader
from pythia_cli.tables.decoding import check_beginning, decode_line
from pythia_cli.tables.fields import MISSING, nearest_names, value_at
from pythia_cli.tables.file_formats import SEPARATORS, InputFormat, input_format
from pythia_cli.tables.input_bytes import InputBytes
from pythia_cli.tables.item import TEXT, Item, Unit
from pythia_cli.tables.json_lines import check_json_lines, json_line_items
from pythia_cli.tables.kinds import Kind, Kinds
from pythia_cli.tables.parquet_items import open_parquet, parquet_items
from pythia_cli.tables.problems import ItemError, MissingColumn
from pythia_cli.text.controls import SAMPLE
from pythia_cli.text.oddities import Oddity, oddities

_LOOKED_AT = 100  # JSON objects whose keys say whether a column exists
_STREAM = "the input"


def open_items(
    source: str | Path | BinaryIO,
    *,
    format: str | None = None,
    column: str | None = None,
    quotes: bool = True,
    name: str | None = None,
    reporter: Reporter = SILENT,
    arrived: Callable[[], None] = lambda: None,
) -> Items:
    """Open an input of items, and check its beginning, its header and its column.

    source: a path, or a stream of bytes (of which `name` is the name). A stream or pipe is read to
    its end at once, into a temporary file; `arrived` is called for each piece. format: "lines",
    "tsv", "csv", "jsonl", "nul" (texts that NUL characters separate) or "parquet"; None: by the
    suffix, or lines. column: where the text is; None: the only column, or "text". quotes: False
    reads double quotes of TSV and CSV as part of the text.

    Raises NotFound, ResourceError, InvalidValue, MissingExtra; and InputError: NotUtf8 for another
    encoding or an archive, MissingColumn, NotJsonLines, QuoteError, a header that is none, an input
    without items.
    """
    if isinstance(source, str | Path):
        if not str(source):
            raise InputError("the name of an input", "is empty")
        chosen = input_format(str(source), format)
        data = InputBytes.of_file(Path(source), arrived)
    else:
        chosen = input_format("", format)
        data = InputBytes.of_stream(source, name or _STREAM, arrived)
    try:
        return Items(data, chosen, column, quotes=quotes, reporter=reporter)
    except BaseException:
        data.close()
        raise


class Items:
    """The items of an input, in order; may be iterated over more than once. A context manager.

    Iterating holds one item in memory, of at most 64 MiB. An item that cannot be read has an
    `error`; QuoteError is raised where the rest of a table cannot be read.
    """

    def __init__(
        self,
        data: InputBytes,
        format: InputFormat,
        column: str | None,
        *,
        quotes: bool,
        reporter: Reporter,
    ) -> None:
        self.name, self.format, self.n_bytes = data.name, format, data.n_bytes
        self._data, self._quotes, self._reporter = data, quotes, reporter
        self._check_beginning()
        first = next(iter(self), None)
        if first is None:
            what = "is empty" if format in ("lines", "nul") or not self.n_bytes else "has no rows"
            raise InputError(self.name, f"{what}: there are no items")
        names = list(first.fields)
        self.column = column or (names[0] if len(names) == 1 else TEXT)
        """The column that `Item.text` reads."""
        if column is not None:
            self.check_columns(column)
        elif format in SEPARATORS and self.column != TEXT and len(names) == 1:
            # A list of texts without a header would lose its first one without a word.
            what = f"the first line is the header; its column {self.column!r} has the texts"
            reporter.note(f"{self.name}: {what}")

    column = TEXT

    def __iter__(self) -> Iterator[Item]:
        if self.format == "parquet":
            return parquet_items(self._data, self.column)
        if self.format == "jsonl":
            return json_line_items(self._lines(), self.name, self.column)
        if self.format in SEPARATORS:
            from pythia_cli.tables.tabular import tabular_items

            return tabular_items(self._rows(), self.name, self.column)
        return self._plain()

    def check_columns(self, *names: str) -> None:
        """Raises MissingColumn for the first of these that no item has.

        Of JSON lines, only some at the beginning are looked at.
        """
        looked_at = [item.fields for item in islice(self, _LOOKED_AT) if item.error is None]
        if not looked_at:  # all have errors of their own
            return
        known = list(dict.fromkeys(name for fields in looked_at for name in fields))
        for name in names:
            if all(value_at(fields, name) is MISSING for fields in looked_at):
                raise MissingColumn(self.name, name, known, nearest_names(name, known))

    @cached_property
    def columns(self) -> dict[str, Kind]:
        """The columns, and what is in them. JSON lines are read to their end to find out."""
        if self.format in ("lines", "nul"):
            return {TEXT: str}
        kinds = Kinds()
        if self.format in SEPARATORS:
            kinds.add(next((item.fields for item in self if item.error is None), {}))
            return kinds.columns
        with self._reporter.task(f"looking at {self.name}", self.n_bytes, "B") as task:
            for item in self:
                kinds.add(item.fields)
                task.advance(item.n_bytes)
        return kinds.columns

    def is_file(self, path: Path) -> bool:
        """Whether the items are read from the file at `path`."""
        return self._data.is_file(path)

    def close(self) -> None:
        """Close the file."""
        self._data.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def _check_beginning(self) -> None:
        if self.format == "parquet":
            open_parquet(self._data)
            return
        sample = self._data.beginning(SAMPLE)
        check_beginning(sample, self.name, are_nuls_ends=self.format == "nul")
        if sample.startswith(codecs.BOM_UTF8):
            self._reporter.note(f"{self.name}: begins with a byte-order mark, which is left out")
        sample = sample.removeprefix(codecs.BOM_UTF8)
        if self.format == "jsonl":
            check_json_lines(sample, self.name, is_whole=self.n_bytes < SAMPLE)
        elif self.format == "lines":
            for oddity in oddities(sample):
                if remark := _REMARKS.get(oddity):
                    self._reporter.note(f"{self.name}: {remark}")

    @property
    def _unit(self) -> Unit:
        return "item" if self.format == "nul" else "line"

    def _lines(self) -> Iterator[ByteLine]:
        ends = NULS if self.format == "nul" else LINE_ENDS
        return byte_lines(_without_mark(self._data.pieces()), ends)

    def _rows(self) -> RowReader:
        return RowReader(
            self._lines(),
            self.name,
            SEPARATORS[self.format],
            quotes=self._quotes,
            noted=self._note_doubtful,
        )

    def _note_doubtful(self, line: int) -> None:
        if "doubtful" not in self.__dict__:
            self.__dict__["doubtful"] = True
            self._reporter.note(
                f"{self.name}, line {line}: a quoted cell spans lines and holds separators; if"
                " quotes are part of the text, read them as text"
            )

    def _plain(self) -> Iterator[Item]:
        for line in self._lines():
            text, n, unit = decode_line(line, self.name), line.number, self._unit
            if isinstance(text, str):
                yield Item(n, n, {TEXT: text}, self.name, TEXT, line.n_bytes, None, unit)
                continue
            if isinstance(text, NotUtf8) and unit == "item":
                text = ItemError(self.name, n, "is not UTF-8 text", unit)
            yield Item(n, n, {}, self.name, TEXT, line.n_bytes, text, unit)


_OTHERWISE = "but is read as plain lines; input format {} reads its columns"
_REMARKS = {
    Oddity.JSON_LINES: f"looks like JSON lines, {_OTHERWISE.format('jsonl')}",
    Oddity.JSON: "looks like JSON, but is read as plain lines",
    Oddity.TSV: f"looks like tab-separated values, {_OTHERWISE.format('tsv')}",
    Oddity.CSV: f"looks like comma-separated values, {_OTHERWISE.format('csv')}",
    Oddity.MARKUP: "looks like HTML or XML, but is read as plain lines",
    Oddity.NULS: "has NUL characters, but is read as lines; input format nul separates texts there",
}


def _without_mark(pieces: Iterator[bytes]) -> Iterator[bytes]:
    first = next(pieces, b"")
    while first.startswith(codecs.BOM_UTF8):
        first = first.removeprefix(codecs.BOM_UTF8)
    yield first
    yield from pieces
