"""Curves as lines of text, for a terminal."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from pythia_cli.pictures.labels import compact, number_labels, typed_name
from pythia_cli.sweeps.curves import Curve
from pythia_cli.sweeps.log_axis import LogAxis, is_read_on_log_scale

NARROWEST, LOWEST = 24, 5
"""Columns and lines that a drawing has at least, its legend aside."""

_MARKERS = "●■▲◆○□△◇"
_ASCII_MARKERS = "*o+x#@%&"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LONGEST_LABEL = 40

# The dots of a braille character by line and column, from the top left.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_BRAILLE = 0x2800


def curve_lines(
    curves: Sequence[Curve], width: int, height: int, *, ascii: bool = False
) -> list[str]:
    """Curves of one figure as lines of text, no wider than `width` columns.

    The last line of `height` has the labels of the x axis, which is that of `LogAxis`; a legend
    follows if there are several curves. y is logarithmic if all values are positive and far apart.
    A marker is a measured point. Curves beyond the sixtieth are not drawn, and the legend says so.
    ascii: only characters of ASCII; otherwise lines are of braille characters.
    """
    width, height = max(width, NARROWEST), max(height, LOWEST)
    markers = (_ASCII_MARKERS if ascii else _MARKERS) + _LETTERS
    drawn = list(zip(curves, markers, strict=False))
    values = [p.value for curve, _ in drawn for p in curve.points if p.value is not None]
    if not values:
        return ["no values"]
    axis = LogAxis.over(p.x for curve, _ in drawn for p in curve.points)
    scale = _Scale(values)
    n_lines = height - 2
    labels = scale.labels(n_lines)
    gutter = max(map(len, labels.values())) + 1
    canvas = _Canvas(width - gutter - 1, n_lines, ascii=ascii)
    for curve, marker in drawn:
        for stretch in curve.stretches:
            places = [(axis.position(p.x), scale.position(p.value or 0.0)) for p in stretch]
            canvas.draw(places, marker)
    side = "|" if ascii else "│"
    lines = [
        f"{labels.get(i, ''):>{gutter}}{side}{line}".rstrip() for i, line in enumerate(canvas.lines)
    ]
    lines += _x_axis(axis, gutter, canvas, ascii=ascii)
    return lines + _legend(drawn, len(curves), width, ascii=ascii)


class _Scale:
    """The y axis, over the values that it shows."""

    def __init__(self, values: Sequence[float]) -> None:
        self._is_log = is_read_on_log_scale(values)
        self._low, self._high = self._transformed(min(values)), self._transformed(max(values))
        if self._low == self._high:  # a flat line is in the middle
            margin = abs(self._low) / 10 or 1.0
            self._low, self._high = self._low - margin, self._high + margin

    def _transformed(self, value: float) -> float:
        return math.log(value) if self._is_log else value

    def position(self, value: float) -> float:
        """0 at the bottom, 1 at the top."""
        return (self._transformed(value) - self._low) / (self._high - self._low)

    def labels(self, n_lines: int) -> dict[int, str]:
        """The values of the first, the middle and the last line."""
        places = [0, (n_lines - 1) // 2, n_lines - 1]
        shares = [1 - place / (n_lines - 1) for place in places]
        values = [self._low + share * (self._high - self._low) for share in shares]
        shown = [math.exp(value) for value in values] if self._is_log else values
        return dict(zip(places, number_labels(shown), strict=True))


class _Canvas:
    """Characters, each of 2 x 4 dots; in ASCII each is one dot."""

    def __init__(self, n_columns: int, n_lines: int, *, ascii: bool) -> None:
        self.n_columns = n_columns
        self._ascii = ascii
        self._across, self._down = (1, 1) if ascii else (2, 4)
        self._dots = [[0] * n_columns for _ in range(n_lines)]
        self._markers: list[list[str | None]] = [[None] * n_columns for _ in range(n_lines)]

    def draw(self, places: Sequence[tuple[float, float]], marker: str) -> None:
        """Draw a line through places (x, y), each from 0 to 1, with a marker at each."""
        for begin, end in itertools.pairwise(places):
            self._line(self._dot(begin), self._dot(end))
        for place in places:
            x, y = self._dot(place)
            self._markers[y // self._down][x // self._across] = marker

    def column(self, x: float) -> int:
        """The column of characters of a place."""
        return self._dot((x, 0))[0] // self._across

    def _dot(self, place: tuple[float, float]) -> tuple[int, int]:
        n_across, n_down = self.n_columns * self._across, len(self._dots) * self._down
        return round(place[0] * (n_across - 1)), round((1 - place[1]) * (n_down - 1))

    def _line(self, begin: tuple[int, int], end: tuple[int, int]) -> None:
        n = max(abs(end[0] - begin[0]), abs(end[1] - begin[1]), 1)
        for i in range(n + 1):
            x, y = (round(a + (b - a) * i / n) for a, b in zip(begin, end, strict=True))
            dot = _DOTS[y % self._down][x % self._across]
            self._dots[y // self._down][x // self._across] |= dot

    @property
    def lines(self) -> list[str]:
        """What is drawn."""
        return [
            "".join(marker or self._character(dots) for marker, dots in zip(*pair, strict=True))
            for pair in zip(self._markers, self._dots, strict=True)
        ]

    def _character(self, dots: int) -> str:
        if not dots:
            return " "
        return "." if self._ascii else chr(_BRAILLE + dots)


def _x_axis(axis: LogAxis, gutter: int, canvas: _Canvas, *, ascii: bool) -> list[str]:
    """The line of the axis, and its labels, of which those are left out that have no room."""
    corner, line, tick = "+-+" if ascii else "└─┴"
    drawn, labels = [line] * canvas.n_columns, [" "] * (gutter + 1 + canvas.n_columns)
    free = 0
    for value in axis.ticks:
        column = canvas.column(axis.position(value))
        drawn[column] = tick
        label = compact(value)
        begin = min(max(gutter + 1 + column - len(label) // 2, 0), len(labels) - len(label))
        if begin >= free:
            labels[begin : begin + len(label)] = label
            free = begin + len(label) + 1
    return [" " * gutter + corner + "".join(drawn), "".join(labels).rstrip()]


def _legend(
    drawn: Sequence[tuple[Curve, str]], n_curves: int, width: int, *, ascii: bool
) -> list[str]:
    """The markers of several curves with their labels, as many on a line as have room."""
    if n_curves < 2:
        return []
    longest = min(_LONGEST_LABEL, width - 2)
    entries = [
        f"{marker} {typed_name(curve.label, longest, ascii=ascii)}" for curve, marker in drawn
    ]
    if n_curves > len(drawn):
        entries.append(f"{n_curves - len(drawn)} more are not drawn")
    lines = [entries[0]]
    for entry in entries[1:]:
        if len(lines[-1]) + 2 + len(entry) <= width:
            lines[-1] += f"  {entry}"
        else:
            lines.append(entry)
    return lines
