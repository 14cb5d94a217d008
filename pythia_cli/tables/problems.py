"""What is wrong with items and tables. All are branches of the tree in errors.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pythia_cli.errors import InputError, NotUtf8, UsageError


class ItemError(InputError):
    """One item of an input cannot be used. Carries the source, the line it begins at, the reason.

    unit: what `line` counts; Parquet has rows.
    """

    def __init__(self, source: str | Path, line: int, reason: str, unit: str = "line") -> None:
        super().__init__(f"{source}, {unit} {line}", reason)
        self.source, self.line = source, line


class QuoteError(ItemError):
    """A quoted cell of a table does not end as it should.

    ends_reading: where the next row begins is not known, so that nothing behind it is read.
    """

    def __init__(self, source: str, line: int, reason: str, *, ends_reading: bool) -> None:
        super().__init__(source, line, reason)
        self.ends_reading = ends_reading


class MissingColumn(InputError):
    """The input has no such column or field. Carries its name, and the nearest that there are."""

    def __init__(
        self, source: str | Path, name: str, columns: Sequence[str], nearest: Sequence[str]
    ) -> None:
        shown = ", ".join(columns[:_MOST_NAMES]) + (", ..." if len(columns) > _MOST_NAMES else "")
        there = f"did you mean {' or '.join(nearest)}?" if nearest else f"there are: {shown}"
        super().__init__(source, f"has no column {name!r}; {there}")
        self.name, self.columns, self.nearest = name, list(columns), list(nearest)


_MOST_NAMES = 20


class NotJsonLines(InputError):
    """One JSON value over the whole file, in place of an object on each line.

    is_array: its elements may be the items; otherwise it is an object over several lines.
    """

    def __init__(self, source: str | Path, *, is_array: bool) -> None:
        what = "is a JSON array" if is_array else "is JSON over several lines"
        super().__init__(source, f"{what}; expected JSON lines, an object on each")
        self.is_array = is_array


class UnevenRows(InputError):
    """A raw file of token ids is no whole number of rows. Carries how many, and the bytes behind.

    row_length: tokens in a row, of 16 bits each.
    """

    def __init__(self, source: str | Path, n_bytes: int, row_length: int) -> None:
        self.n_rows, self.n_left = divmod(n_bytes, 2 * row_length)
        size = f"{self.n_rows:,} rows of {row_length} token ids, and {self.n_left} bytes of row"
        super().__init__(source, f"its {n_bytes:,} bytes are {size} {self.n_rows + 1:,}")
        self.row_length = row_length


class MissingExtra(UsageError):
    """A library is needed that is not installed. extra: the extra of this package that has it."""

    def __init__(self, library: str, what: str, extra: str | None = None) -> None:
        super().__init__(f"{what} needs {library}, which is not installed")
        self.library, self.extra = library, extra


class UnfinishedTable(UsageError):
    """An earlier run left an unfinished table here, and `resume` was not set.

    n_items: items that it has; what: why it is of another run, None if it is of the same.
    """

    def __init__(self, path: Path, partial: Path, n_items: int, difference: str | None) -> None:
        of = f" with another {difference}" if difference else ""
        super().__init__(f"{path}: an earlier run{of} ended after {n_items} items, in {partial}")
        self.path, self.partial, self.difference = path, partial, difference


class CannotResume(UsageError):
    """What is there was not made by the same run, or not from the same items.

    partial: the files that would have to be moved away to begin from the start.
    """

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: cannot be resumed: {reason}")
        self.path, self.reason = path, reason


def is_of_one_item(error: BaseException) -> bool:
    """Whether only one item has this error, so that others can be measured without it."""
    if isinstance(error, QuoteError):
        return not error.ends_reading
    return isinstance(error, ItemError) or (isinstance(error, NotUtf8) and error.line is not None)
