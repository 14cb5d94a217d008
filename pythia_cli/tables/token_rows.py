"""Rows of token ids in binary files: NumPy's .npy, and raw .bin, as the Pile is published."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from typing import Any, BinaryIO, Literal, NamedTuple, Self, get_args

import numpy as np

from pythia_cli.errors import InputError, InvalidValue
from pythia_cli.files.npy_header import npy_header
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.tables.fields import nearest_names
from pythia_cli.tables.input_bytes import InputBytes
from pythia_cli.tables.item import Item
from pythia_cli.tables.items import Items, open_items
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.problems import MissingColumn, UnevenRows

TokenFormat = Literal["npy", "bin"]

TOKENS, INDEX = "tokens", "idx"
"""The columns of a row: its ids, and its number from 0."""

PILE_ROW = 2049
"""Tokens in a row of EleutherAI's pre-tokenized Pile: a context, and one more to predict."""

_MOST_BYTES = 16 << 20  # of a row
_LONGEST_HEADER = 1 << 16


def open_token_rows(
    source: str | Path | BinaryIO,
    *,
    format: str | None = None,
    column: str | None = None,
    row_length: int = PILE_ROW,
    n_tokens: int | None = None,
    quotes: bool = True,
    name: str | None = None,
    reporter: Reporter = SILENT,
    arrived: Callable[[], None] = lambda: None,
) -> Items | TokenRows:
    """Open rows of token ids; what is neither .npy nor .bin is opened as `open_items` does.

    format: "npy", "bin", or one of `open_items`; None: by the suffix. row_length: token ids in a
    row of a .bin, of 16 bits each, little-endian. n_tokens: how many of a row are read; None: all.

    Raises what `open_items` raises, and UnevenRows for a .bin that does not end with a row.
    """
    chosen = format or _SUFFIXES.get(PurePath(str(source)).suffix.lower())
    if chosen is None or chosen not in get_args(TokenFormat):
        return open_items(
            source,
            format=format,
            column=column,
            quotes=quotes,
            name=name,
            reporter=reporter,
            arrived=arrived,
        )
    if isinstance(source, str | Path):
        data = InputBytes.of_file(Path(source), arrived)
    else:
        data = InputBytes.of_stream(source, name or "the input", arrived)
    try:
        rows = TokenRows(data, chosen, row_length, n_tokens)
        if column is not None:
            rows.check_columns(column)
    except BaseException:
        data.close()
        raise
    return rows


_SUFFIXES: dict[str, TokenFormat] = {".npy": "npy", ".bin": "bin"}


class _Rows(NamedTuple):
    """Where rows lie in a file: n_rows of n_columns, behind `begin` bytes."""

    begin: int
    n_rows: int
    n_columns: int
    dtype: np.dtype[Any]

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return self.n_columns * self.dtype.itemsize


class TokenRows:
    """Rows of token ids, as items with `idx` and `tokens`. May be iterated over more than once.

    As `Items` otherwise. Iterating holds one row in memory.
    """

    column = TOKENS
    columns: dict[str, Kind] = {INDEX: int, TOKENS: object}  # noqa: RUF012

    def __init__(
        self, data: InputBytes, format: str, row_length: int, n_tokens: int | None
    ) -> None:
        self.name, self.format, self.n_bytes = data.name, format, data.n_bytes
        self._data, self._n_tokens = data, n_tokens
        if row_length < 1:
            raise InvalidValue("row_length", row_length, "1 or more")
        self._rows = _npy_rows(data) if format == "npy" else _bin_rows(data, row_length)
        if self._rows.row_bytes > _MOST_BYTES:
            longest = f"expected {_MOST_BYTES >> 20} MiB or less"
            raise InputError(data.name, f"has rows of {self._rows.row_bytes:,} bytes; {longest}")

    def __iter__(self) -> Iterator[Item]:
        n = self._rows.n_rows
        for index, row in enumerate(self._each()):
            fields = {INDEX: index, TOKENS: row[: self._n_tokens].tolist()}
            n_bytes = self.n_bytes * (index + 1) // n - self.n_bytes * index // n
            yield Item(index + 1, index + 1, fields, self.name, TOKENS, n_bytes, None, "row")

    def _each(self) -> Iterator[np.ndarray[Any, Any]]:
        begin, n_rows, _, dtype = self._rows
        size = self._rows.row_bytes
        held, n_found = b"", 0
        for piece in self._data.pieces():
            held += piece
            if begin:
                begin, held = max(0, begin - len(held)), held[begin:]
            n = min(len(held) // size, n_rows - n_found)
            for at in range(n):
                yield np.frombuffer(held[at * size : (at + 1) * size], dtype)
            n_found, held = n_found + n, held[n * size :]

    def check_columns(self, *names: str) -> None:
        """Raises MissingColumn for the first of these that is no column."""
        for name in names:
            if name not in self.columns:
                known = list(self.columns)
                raise MissingColumn(self.name, name, known, nearest_names(name, known))

    def is_file(self, path: Path) -> bool:
        """Whether the rows are read from the file at `path`."""
        return self._data.is_file(path)

    def close(self) -> None:
        """Close the file."""
        self._data.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


def _npy_rows(data: InputBytes) -> _Rows:
    """Raises InputError for what is no 2-D array of whole numbers, or is cut short."""
    shape, is_fortran, dtype, begin = npy_header(data.beginning(_LONGEST_HEADER), data.name)
    if len(shape) != 2 or dtype.kind not in "iu":
        what = f"holds {dtype} in {len(shape)} dimensions; expected whole numbers in 2"
        raise InputError(data.name, what)
    if is_fortran and min(shape) > 1:
        raise InputError(data.name, "is in column-major order; save np.ascontiguousarray of it")
    if min(shape) < 1:
        raise InputError(data.name, f"is of shape {shape}: there are no items")
    rows = _Rows(begin, shape[0], shape[1], dtype)
    n_bytes = data.n_bytes - rows.begin
    if n_bytes != rows.n_rows * rows.row_bytes:
        what = f"has {n_bytes / rows.row_bytes:,.1f} rows, but its header says {rows.n_rows:,}"
        raise InputError(data.name, f"{what}; it may be cut short")
    return rows


def _bin_rows(data: InputBytes, row_length: int) -> _Rows:
    """Raises UnevenRows for a file that does not end with a row, InputError for an empty one."""
    rows = _Rows(0, data.n_bytes // (2 * row_length), row_length, np.dtype("<u2"))
    if data.n_bytes % rows.row_bytes:
        raise UnevenRows(data.name, data.n_bytes, row_length)
    if not rows.n_rows:
        raise InputError(data.name, "is empty: there are no items")
    return rows
