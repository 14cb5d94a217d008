"""Tables on stdout, fitted to the width of the terminal."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Literal

from pythia_cli.cli.output import columns
from pythia_cli.text.printable import one_line

_ANY_WIDTH = 10_000  # columns


def print_table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    dispensable: Sequence[str] = (),
    keep: int = 16,
) -> None:
    """Print a table on stdout: names left-aligned, figures right-aligned, under the heads.

    rows: each has a text for each head. Empty columns are omitted. If the table is too wide, names
    are cut at the front, down to `keep` cells; then columns are omitted, in the order of
    `dispensable`.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table

    console = Console(file=sys.stdout, width=columns(), highlight=False, markup=False)
    names = [one_line(row[0]) for row in rows]
    shown = [i for i in range(1, len(heads)) if any(row[i] != "" for row in rows)]
    longest = max(map(cell_len, [heads[0], *names]))

    def table(name_width: int) -> Table:
        made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
        made.add_column(heads[0] if name_width else "", no_wrap=True)
        for i in shown:
            # A column without a head shows bars.
            side: Literal["left", "right"] = "right" if heads[i].strip() else "left"
            made.add_column(heads[i], no_wrap=True, justify=side)
        for name, row in zip(names, rows, strict=True):
            made.add_row(_cut(name, name_width), *(row[i] for i in shown))
        return made

    def room() -> int:
        """Cells that remain for names."""
        return console.width - Measurement.get(console, console.options, table(0)).maximum

    drop = [heads.index(head) for head in dispensable if head in heads]
    while room() < min(longest, keep) and drop:
        if (place := drop.pop(0)) in shown:
            shown.remove(place)
    console.print(table(max(min(room(), longest), 8)))


def print_columns(
    rows: Sequence[Sequence[str]], justify: Sequence[Literal["left", "right"]]
) -> None:
    """Print rows in columns on stdout, one line each, however wide."""
    from rich.console import Console
    from rich.table import Table

    table = Table.grid(padding=(0, 2, 0, 0))
    for side in justify:
        table.add_column(justify=side, no_wrap=True)
    for row in rows:
        table.add_row(*map(one_line, row))
    console = Console(width=_ANY_WIDTH, highlight=False, markup=False)
    with console.capture() as captured:
        console.print(table)
    for line in captured.get().splitlines():
        sys.stdout.write(line.rstrip() + "\n")


def _cut(name: str, width: int) -> str:
    """The name, cut at the front to `width` cells."""
    from rich.cells import cell_len

    short = name
    while width and cell_len(short) > width:
        short = f"..{short.removeprefix('..')[1:]}"
    return short if width else ""


def bar(share: float, width: int, encoding: str) -> str:
    """A bar for 0 < share <= 1, padded to `width` characters; never quite empty."""
    try:
        "━╸".encode(encoding)
    except (LookupError, UnicodeError):
        return f"{'#' * max(round(share * width), 1):<{width}}"
    whole, half = divmod(max(round(share * width * 2), 1), 2)
    return f"{'━' * whole + '╸' * half:<{width}}"
