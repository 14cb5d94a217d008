"""Tables as plain text, as wide as the terminal allows."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

_NAMED = 16
"""Characters that a name keeps, where it has so many, before columns are left out for it."""


def table(
    heads: Sequence[str], rows: Sequence[Sequence[str]], dispensable: Sequence[str] = ()
) -> list[str]:
    """Lines: names on the left, figures on the right, the heads (the first names none) above.

    Columns without a figure are left out; where it is wider than the terminal, others too, in the
    order of `dispensable`, then names are cut at their front. `rows` have a cell for each head.
    """
    width = shutil.get_terminal_size().columns
    empty = [place for place in range(1, len(heads)) if not any(row[place] for row in rows)]
    lines = [
        [cell for place, cell in enumerate(line) if place not in empty] for line in (heads, *rows)
    ]
    drop = [head for head in dispensable if head in lines[0]]
    while True:
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        room = width - sum(widths[1:]) - 2 * len(widths[1:])
        if room >= min(widths[0], _NAMED) or not drop:
            break
        place = lines[0].index(drop.pop(0))
        lines = [[*line[:place], *line[place + 1 :]] for line in lines]
    widths[0] = max(min(widths[0], room), 8)
    made = []
    for name, *figures in lines:
        short = name if len(name) <= widths[0] else f"..{name[2 - widths[0] :]}"
        cells = [f"{figure:>{n}}" for figure, n in zip(figures, widths[1:], strict=True)]
        made.append("  ".join([f"{short:<{widths[0]}}", *cells]).rstrip())
    return made


def bar(share: float, width: int, encoding: str) -> str:
    """A bar of `width` characters for 0 < share <= 1, at least a trace of one."""
    try:
        "━╸".encode(encoding)
    except (LookupError, UnicodeError):
        return f"{'#' * max(round(share * width), 1):<{width}}"
    whole, half = divmod(max(round(share * width * 2), 1), 2)
    return f"{'━' * whole + '╸' * half:<{width}}"
