"""Heat maps as lines of text, for a terminal."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from pythia_cli.pictures.colour_map import colour_at
from pythia_cli.pictures.heat_map import HeatGroup, HeatMap, HeatScale, grouped, value_name_of
from pythia_cli.pictures.labels import number_labels, typed_name

NARROWEST = 24
"""Columns that a drawing has at least."""

_RAMP, _ASCII_RAMP = "▁▂▃▄▅▆▇█", ".:-=+*#%@"
_NO_VALUE, _ASCII_NO_VALUE = "\u00d7", "x"  # the sign of multiplication
_GAP = 3  # columns between maps
_SCALE_WIDTH = 24  # columns of the scale in colours
_LONGEST_LABEL, _LONGEST_NAME = 12, 40
_BOLD, _RESET = "\x1b[1m", "\x1b[0m"


def heat_lines(
    maps: Sequence[HeatMap], width: int, *, colours: bool, ascii: bool = False
) -> list[str]:
    """Heat maps as lines of text, no wider than `width` columns, with one scale for all.

    Maps of a panel are side by side where they fit. Cells are two columns wide; wider if that has
    room for the names of all columns, or one column if the map is too wide otherwise; what still is
    too wide is cut into parts. colours: cells are colours of a terminal (24 bits); otherwise they
    are characters. The last lines say what these stand for. ascii: only characters of ASCII.

    Raises InvalidValue if there are no maps.
    """
    width = max(width, NARROWEST)
    title, groups = grouped(maps)
    scale = HeatScale.over(maps)
    ink = _Ink(colours=colours, ascii=ascii)
    lines = [ink.name(title, width)] if title else []
    for group in groups:
        if lines:
            lines.append("")
        if group.heading:
            lines.append(ink.heading(group.heading, width))
        lines += _side_by_side(list(_blocks(group, scale, ink, width)), width)
    return [*lines, "", *_legend(scale, value_name_of(maps), ink, width)]


class _Line(NamedTuple):
    """A line, and how many columns it has, which its escape sequences do not count in."""

    text: str
    n: int

    @classmethod
    def plain(cls, text: str) -> _Line:
        """A line without colours."""
        text = text.rstrip()
        return cls(text, len(text))


class _Ink:
    """How shares of the scale are written: as colours, or as characters."""

    def __init__(self, *, colours: bool, ascii: bool) -> None:
        self._colours, self._ascii = colours, ascii
        self._ramp = _ASCII_RAMP if ascii else _RAMP
        self.no_value = _ASCII_NO_VALUE if ascii else _NO_VALUE

    @property
    def n_levels(self) -> int:
        """How many cells show all of the scale."""
        return _SCALE_WIDTH if self._colours else len(self._ramp)

    def name(self, text: str, longest: int) -> str:
        """A name, in characters that a terminal has."""
        return typed_name(text, longest, ascii=self._ascii)

    def heading(self, text: str, longest: int) -> str:
        """A name that stands out, where there are colours."""
        name = self.name(text, longest)
        return f"{_BOLD}{name}{_RESET}" if self._colours else name

    def cells(self, shares: Iterable[float], cell_width: int) -> str:
        """A row of cells."""
        written = []
        for (begin, sign), run in itertools.groupby(map(self._cell, shares)):
            text = sign * cell_width * len(list(run))
            written.append(f"{begin}{text}{_RESET}" if begin else text)
        return "".join(written)

    def _cell(self, share: float) -> tuple[str, str]:
        """What comes before a cell, and the character of which it is."""
        if share != share:  # NaN
            return "", self.no_value
        if self._colours:
            red, green, blue = colour_at(share)
            return f"\x1b[48;2;{red};{green};{blue}m", " "
        return "", self._ramp[min(int(share * len(self._ramp)), len(self._ramp) - 1)]


def _blocks(group: HeatGroup, scale: HeatScale, ink: _Ink, width: int) -> Iterator[list[_Line]]:
    """The lines of each map, or of each part of one that is too wide."""
    for name, one in group.maps:
        rows, columns = ([ink.name(label, _LONGEST_LABEL) for label in side] for side in one.labels)
        row_name, column_name = (
            ink.name(text, _LONGEST_LABEL) for text in (one.row_name, one.column_name)
        )
        gutter = max(map(len, [row_name, *rows])) + 1
        room = width - gutter
        cell_width = _cell_width(columns, room, has_names=one.column_labels is not None)
        shares = scale.shares(one.values).tolist()
        most = room // cell_width
        for begin in range(0, len(columns), most):
            part = columns[begin : begin + most]
            last = begin + len(part) - 1
            of = f"{one.column_name} {begin} to {last}" if len(part) < len(columns) else ""
            heading = ", ".join(text for text in (name, of) if text)
            cells = len(part) * cell_width
            yield [
                *([_Line.plain(ink.name(heading, min(width, _LONGEST_NAME)))] if heading else []),
                _Line.plain(f"{'':{gutter}}{column_name}"),
                _Line.plain(f"{row_name:{gutter}}{_ticks(part, begin, cell_width, room)}"),
                *(
                    _Line(
                        f"{label:>{gutter - 1}} {ink.cells(row[begin : last + 1], cell_width)}",
                        gutter + cells,
                    )
                    for label, row in zip(rows, shares, strict=True)
                ),
            ]


def _cell_width(labels: Sequence[str], room: int, *, has_names: bool) -> int:
    """The columns of a cell, so that a map fits if it can. has_names: labels are no numbers."""
    widths = (max(map(len, labels)) + 1, 4, 2) if has_names else (2,)
    return next((n for n in widths if n > 1 and n * len(labels) <= room), 1)


def _ticks(labels: Sequence[str], first: int, cell_width: int, room: int) -> str:
    """The labels of columns, of which only every 2nd, 5th, 10th, ... is shown if room is scarce.

    first: the number of the first column, counted from that of the whole map.
    """
    needed = max(map(len, labels)) + 1
    every = next(n for e in itertools.count() for n in (10**e, 2 * 10**e, 5 * 10**e)
                 if n * cell_width >= needed)  # fmt: skip
    line = ""
    for at in range(-first % every, len(labels), every):
        begin = at * cell_width
        if begin + len(labels[at]) <= room:
            line = f"{line:{begin}}{labels[at]}"
    return line


def _side_by_side(blocks: Sequence[Sequence[_Line]], width: int) -> Iterator[str]:
    """The lines of several blocks, as many beside one another as fit."""
    widest = max(line.n for block in blocks for line in block)
    n_across = max(1, (width + _GAP) // (widest + _GAP))
    for begin in range(0, len(blocks), n_across):
        if begin:
            yield ""
        together = blocks[begin : begin + n_across]
        for lines in itertools.zip_longest(*together, fillvalue=_Line("", 0)):
            padded = (line.text + " " * (widest + _GAP - line.n) for line in lines)
            yield "".join(padded).rstrip(" ")


def _legend(scale: HeatScale, value_name: str, ink: _Ink, width: int) -> Iterator[str]:
    """What the cells stand for, on as many lines as that needs."""
    entries = [_Line.plain(ink.name(value_name, width))] if value_name else []
    if scale.low is not None and scale.high is not None:
        is_flat = scale.low == scale.high
        low, *high = number_labels([scale.low] if is_flat else [scale.low, scale.high])
        n = 1 if is_flat else ink.n_levels
        n = min(n, width - len(low) - len("".join(high)) - 2)
        shares = [i / max(n - 1, 1) for i in range(n)]
        text = " ".join([low, ink.cells(shares, 1), *high])
        entries.append(_Line(text, len(low) + n + 1 + sum(len(h) + 1 for h in high)))
    if scale.lacks:
        entries.append(_Line.plain(f"{ink.no_value} no value"))
    line, n = "", 0
    for entry in entries:
        if line and n + 2 + entry.n > width:
            yield line
            line, n = "", 0
        line, n = (f"{line}  {entry.text}", n + 2 + entry.n) if line else entry
    yield line
