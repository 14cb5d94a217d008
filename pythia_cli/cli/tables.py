"""Tables for a terminal, as wide as it allows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Literal

from pythia_cli.cli.output import columns
from pythia_cli.text.printable import one_line, visible

_NO_TERMINAL = 10_000  # columns: lines for programs are not wrapped


def print_table(
    heads: Sequence[str],
    rows: Sequence[Sequence[Any]],
    dispensable: Sequence[str] = (),
    keep: int = 16,
) -> None:
    """Print rows on stdout: names on the left, figures on the right, the heads above.

    A cell is a text or something that rich can draw; `rows` have one for each head. Columns without
    a figure are left out. Where the table is wider than the terminal, names are cut at their front,
    to `keep` cells; then columns are left out, in the order of `dispensable`.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table

    console = Console(file=sys.stdout, width=columns(), highlight=False, markup=False)
    names = [one_line(str(row[0])) for row in rows]
    shown = [i for i in range(1, len(heads)) if any(row[i] != "" for row in rows)]
    longest = max(map(cell_len, names))

    def table(name_width: int) -> Table:
        made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
        made.add_column(heads[0], no_wrap=True)
        for i in shown:
            made.add_column(heads[i], no_wrap=True, justify="right")
        for name, row in zip(names, rows, strict=True):
            made.add_row(_cut(name, name_width), *(row[i] for i in shown))
        return made

    def room() -> int:
        """For names, beside the columns that are shown."""
        return console.width - Measurement.get(console, console.options, table(0)).maximum

    drop = [heads.index(head) for head in dispensable if head in heads]
    while room() < min(longest, keep) and drop:
        if (place := drop.pop(0)) in shown:
            shown.remove(place)
    console.print(table(max(min(room(), longest), 8)))


def print_columns(
    rows: Sequence[Sequence[str]], justify: Sequence[Literal["left", "right"]]
) -> None:
    """Print rows on stdout in columns; on a terminal the last one is wrapped where it is long."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = columns() if sys.stdout.isatty() else _NO_TERMINAL
    console = Console(file=sys.stdout, width=width, highlight=False, markup=False)
    table = Table.grid(padding=(0, 2, 0, 0))
    for i, side in enumerate(justify):
        table.add_column(justify=side, no_wrap=i < len(justify) - 1)
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        sys.stdout.write(line.rstrip() + "\n")


def _cut(name: str, width: int) -> str:
    """The end of a name that is wider than `width` cells."""
    from rich.cells import cell_len

    short = name
    while width and cell_len(short) > width:
        short = f"..{short.removeprefix('..')[1:]}"
    return short if width else ""


def size_bar(n_bytes: int, largest: int, width: int) -> Any:
    """A bar for a size beside the largest one's; an empty text where there is no size."""
    from rich.progress_bar import ProgressBar

    return ProgressBar(total=largest, completed=n_bytes, width=width) if n_bytes else ""
