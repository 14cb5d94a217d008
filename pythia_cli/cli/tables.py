"""Tables as plain text, as wide as the terminal allows."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from pythia_cli.cli.render import cells
from pythia_cli.text.printable import one_line


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    dispensable: Sequence[str] = (),
    keep: int = 16,
) -> list[str]:
    """Lines: names on the left, figures on the right, the heads (the first names none) above.

    Columns without a figure are left out; where it is wider than the terminal, names are cut at
    their front, to `keep` cells; then columns are left out, in the order of `dispensable`. `rows`
    have a text for each head.
    """
    width = shutil.get_terminal_size().columns
    rows = [[one_line(name), *figures] for name, *figures in rows]
    empty = [place for place in range(1, len(heads)) if not any(row[place] for row in rows)]
    lines = [
        [cell for place, cell in enumerate(line) if place not in empty] for line in (heads, *rows)
    ]
    drop = [head for head in dispensable if head in lines[0]]
    while True:
        widths = [max(map(cells, column)) for column in zip(*lines, strict=True)]
        room = width - sum(widths[1:]) - 2 * len(widths[1:])
        if room >= min(widths[0], keep) or not drop:
            break
        place = lines[0].index(drop.pop(0))
        lines = [[*line[:place], *line[place + 1 :]] for line in lines]
    widths[0] = min(widths[0], max(room, 8))
    made = []
    for name, *figures in lines:
        short = name
        while cells(short) > widths[0]:
            short = f"..{short.removeprefix('..')[1:]}"
        row = [short + " " * (widths[0] - cells(short))]
        row += [f"{figure:>{n}}" for figure, n in zip(figures, widths[1:], strict=True)]
        made.append("  ".join(row).rstrip())
    return made


def bar(share: float, width: int, encoding: str) -> str:
    """A bar of `width` characters for 0 < share <= 1, at least a trace of one."""
    try:
        "━╸".encode(encoding)
    except (LookupError, UnicodeError):
        return f"{'#' * max(round(share * width), 1):<{width}}"
    whole, half = divmod(max(round(share * width * 2), 1), 2)
    return f"{'━' * whole + '╸' * half:<{width}}"
