"""Draws what a lens says in the terminal: layers by tokens, coloured by a figure."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

from pythia_cli.cli.heat_output import has_shades
from pythia_cli.cli.output import can_write, columns

if TYPE_CHECKING:
    from rich.text import Text

    from pythia_cli.measures.lens_grid import LensGrid

_WIDEST = 14  # columns of a cell; longer tokens are cut
_GAP = 1
_NEXT, _TOKEN = "next", "token"
_INK, _MARK = "#222222", "bold underline"
_PAPERS = ("", "#fff3c4", "#ffd98a", "#ffab73", "#f4767b")
"""By level, as on the pages of surprisal."""


def print_lens(grid: LensGrid) -> None:
    """Print the cells on stdout: the last layer above, as many tokens side by side as fit.

    Where the terminal has no colours, each cell has its figure as a number.
    """
    from rich.console import Console

    console = Console(file=sys.stdout, width=columns(), highlight=False, markup=False)
    drawing = _Drawing(
        grid,
        has_colours=has_shades(console),
        is_ascii=not can_write("\u00b7\u2026", sys.stdout),
    )
    for line in drawing.lines(console.width):
        console.print(line, no_wrap=True, overflow="ignore", crop=False)
    for line in drawing.legend():
        console.print(line)


class _Cell(NamedTuple):
    """paper, ink: styles."""

    text: str
    width: int
    paper: str
    ink: str


class _Drawing:
    def __init__(self, grid: LensGrid, *, has_colours: bool, is_ascii: bool) -> None:
        self._grid, self._has_colours, self._is_ascii = grid, has_colours, is_ascii
        self._n_layers = len(grid.cells) - 1
        self._gutter = max(len(_TOKEN), len(str(self._n_layers))) + 1
        self._tokens, self._targets = self._written(grid.tokens), self._written(grid.targets)
        self._cells = [
            [self._cell(layer, i, text) for i, text in enumerate(self._written(row))]
            for layer, row in enumerate(grid.cells)
        ]

    def lines(self, width: int) -> Iterator[Text]:
        """The lines of a terminal of this width."""
        from rich.text import Text

        widths = [self._width(i) for i in range(len(self._tokens))]
        begin = 0
        while begin < len(widths):
            ends = accumulate(_GAP + w for w in widths[begin:])
            n = max(1, sum(end <= width - self._gutter + _GAP for end in ends))
            if begin:
                yield Text("")
            yield from self._band(range(begin, begin + n), widths)
            begin += n
        yield Text("")

    def _band(self, places: range, widths: Sequence[int]) -> Iterator[Text]:
        """The lines of some tokens."""

        def of(texts: Sequence[str]) -> list[_Cell]:
            return [_Cell(texts[i], widths[i], "", "bold") for i in places]

        yield self._line(_NEXT, of(self._targets))
        for layer in reversed(range(self._n_layers + 1)):
            row = self._cells[layer]
            yield self._line(
                str(layer), [_Cell(row[i], widths[i], *self._style(layer, i)) for i in places]
            )
        yield self._line(_TOKEN, of(self._tokens))

    def _line(self, name: str, cells: Sequence[_Cell]) -> Text:
        from rich.cells import cell_len
        from rich.text import Text

        line = Text(f"{name:>{self._gutter - 1}}")
        for text, width, paper, ink in cells:
            line.append(" " * _GAP)
            line.append(text, style=f"{ink} {paper}")
            line.append(" " * (width - cell_len(text)), style=paper)
        if not self._has_colours:
            line.rstrip()
        return line

    def legend(self) -> Iterator[Text]:
        """What cells stand for: lines that may be broken."""
        from rich.text import Text

        from pythia_cli.measures.lens_grid import BOUNDS, SHADES

        what, bounds = SHADES[self._grid.shade], BOUNDS[self._grid.shade]
        rows = "rows: layers, from 0, the embedding, up to the model's prediction"
        if not self._has_colours:
            unit = ", in percent" if self._grid.shade == "prob" else ""
            yield Text(f"behind each token: {what}{unit}; *: the next token of the text")
            yield Text(rows)
            return
        legend = Text(f"{what}: ")
        for level in range(len(bounds) + 1):
            label = f"from {bounds[level - 1]:g}" if level else f"less than {bounds[0]:g}"
            legend.append(label, style=_paper(level))
            legend.append("  ")
        yield legend
        yield Text.assemble(("underlined", _MARK), ": the next token of the text")
        yield Text(rows)

    def _style(self, layer: int, i: int) -> tuple[str, str]:
        """Paper and ink of a cell."""
        from pythia_cli.measures.lens_grid import level_of

        if not self._has_colours:
            return "", ""
        level = level_of(float(self._grid.values[layer, i]), self._grid.shade)
        return _paper(level), _MARK if self._grid.is_target[layer, i] else ""

    def _cell(self, layer: int, i: int, text: str) -> str:
        """A token; with its figure, if no colour shows that."""
        if self._has_colours:
            return text
        value = float(self._grid.values[layer, i])
        mark = "*" if self._grid.is_target[layer, i] else ""
        if value != value:  # NaN
            return text + mark
        number = f"{100 * value:.0f}" if self._grid.shade == "prob" else f"{value:.1f}"
        return f"{text}{mark} {number}"

    def _written(self, texts: Sequence[str]) -> list[str]:
        """Texts in characters that the terminal has, no longer than a cell."""
        from rich.cells import cell_len, set_cell_size

        if self._is_ascii:
            dotted = (text.replace("\u00b7", "_") for text in texts)
            texts = [text.encode("ascii", "backslashreplace").decode() for text in dotted]
        sign = "~" if self._is_ascii else "\u2026"
        return [
            text if cell_len(text) <= _WIDEST else set_cell_size(text, _WIDEST - 1) + sign
            for text in texts
        ]

    def _width(self, i: int) -> int:
        from rich.cells import cell_len

        column = [self._tokens[i], self._targets[i], *(row[i] for row in self._cells)]
        return max(map(cell_len, column))


def _paper(level: int) -> str:
    return f"{_INK} on {_PAPERS[level]}" if level else ""
