"""Tables for a terminal, as wide as it allows."""

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
    """Print rows on stdout: names on the left, figures on the right, the heads above.

    `rows` have a text for each head. Columns without a figure are left out. Where the table is
    wider than the terminal, names are cut at their front, to `keep` cells; then columns are left
    out, in the order of `dispensable`.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table

    console = Console(file=sys.stdout, width=columns(), highlight=False, markup=False)
    names = [one_line(row[0]) for row in rows]
    shown = [i for i in range(1, len(heads)) if any(row[i] != "" for row in rows)]
    longest = max(map(cell_len, names))

    def table(name_width: int) -> Table:
        made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="")
        made.add_column(heads[0], no_wrap=True)
        for i in shown:
            # A column without a head holds bars.
            side: Literal["left", "right"] = "right" if heads[i].strip() else "left"
            made.add_column(heads[i], no_wrap=True, justify=side)
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
    """Print rows on stdout in columns, one line each whatever the width."""
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
    """The end of a name that is wider than `width` cells."""
    from rich.cells import cell_len

    short = name
    while width and cell_len(short) > width:
        short = f"..{short.removeprefix('..')[1:]}"
    return short if width else ""


def bar(share: float, width: int, encoding: str) -> str:
    """A bar of `width` characters for 0 < share <= 1, at least a trace of one."""
    try:
        "━╸".encode(encoding)
    except (LookupError, UnicodeError):
        return f"{'#' * max(round(share * width), 1):<{width}}"
    whole, half = divmod(max(round(share * width * 2), 1), 2)
    return f"{'━' * whole + '╸' * half:<{width}}"
