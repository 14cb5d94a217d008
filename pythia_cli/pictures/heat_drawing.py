"""Draws heat maps with matplotlib: SVG, PNG or PDF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pythia_cli.pictures import colour_map
from pythia_cli.pictures.heat_map import HeatMap, HeatScale, grouped, value_name_of
from pythia_cli.pictures.heat_page import LETTER, LONGEST_LABEL, SMALL, HeatPage, PlacedMap
from pythia_cli.pictures.labels import drawn_name, number_labels
from pythia_cli.pictures.style import (
    MM,
    WIDTH,
    checked_suffix,
    picture_bytes,
    plot_style,
    write_picture,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINE = 2.6 * MM  # the height of a label
_SMALLEST, _LARGE = 3.5, 8.0  # points
_SCALE_WIDTH, _SCALE_HEIGHT, _SCALE_AT = 50 * MM, 2.4 * MM, 6 * MM
_LONGEST_TITLE, _LONGEST_NAME = 100, 42


def draw_heat_maps(maps: Sequence[HeatMap], path: str | Path) -> None:
    """Draw heat maps to a file, which appears whole; its suffix is its format.

    As `heat_maps_picture`. Raises what that raises, and ResourceError.
    """
    path = Path(path)
    write_picture(path, heat_maps_picture(maps, path.suffix))


def heat_maps_picture(maps: Sequence[HeatMap], suffix: str) -> bytes:
    """Heat maps as the bytes of a file with this suffix. The same maps give the same bytes.

    All have one scale, which is drawn once. Maps of a panel are in rows; the more there are, the
    smaller they are. Cells without a value are hatched.

    Raises InvalidValue for another suffix than .svg, .png and .pdf and if there are no maps,
    TooManyMaps, and MissingExtra without matplotlib.
    """
    suffix = checked_suffix(suffix)
    with plot_style():
        return picture_bytes(heat_figure(maps), suffix)


def heat_figure(maps: Sequence[HeatMap]) -> Figure:
    """The maps as a matplotlib Figure, 160 mm wide, that belongs to no window.

    To be made, and saved, within `plot_style`.
    """
    from matplotlib.figure import Figure

    title, groups = grouped(maps)
    page = HeatPage.of(groups, has_title=bool(title))
    scale = HeatScale.over(maps)
    figure = Figure(figsize=(WIDTH, page.page_height))
    sheet = _Sheet(figure, page.page_height)
    if title:
        sheet.write(drawn_name(title, _LONGEST_TITLE), page.left, 4 * MM, _LARGE)
    longest = max(len(name) for group in groups for name, _ in group.maps)
    is_alike = len({one.values.shape for one in maps}) == 1
    for placed in page.placed():
        if isinstance(placed, tuple):
            heading, top = placed
            sheet.write(drawn_name(heading, _LONGEST_TITLE), page.left, top + 4 * MM, SMALL + 1)
            continue
        axes = sheet.axes(placed.left, placed.top, page.width, page.height)
        _draw(axes, placed.map, scale)
        _label(axes, placed, page, longest, is_alike=is_alike)
    _add_scale(sheet, scale, value_name_of(maps), page)
    return figure


class _Sheet:
    """A figure on which places are in inches from the left and the top."""

    def __init__(self, figure: Figure, height: float) -> None:
        self._figure, self._height = figure, height

    def axes(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes in a box."""
        bottom = self._height - top - height
        return self._figure.add_axes(
            (left / WIDTH, bottom / self._height, width / WIDTH, height / self._height)
        )

    def write(self, text: str, left: float, baseline: float, size: float) -> None:
        """Write a text from a place on, of a size in points."""
        self._figure.text(left / WIDTH, 1 - baseline / self._height, text, fontsize=size)


def _draw(axes: Axes, one: HeatMap, scale: HeatScale) -> None:
    """The cells, row 0 at the top; hatches show where one has no value."""
    shares = scale.shares(one.values)
    _hatch(axes)
    n_rows, n_columns = shares.shape
    axes.pcolormesh(
        np.arange(n_columns + 1),
        np.arange(n_rows + 1),
        np.ma.masked_invalid(shares),
        cmap=colour_map.NAME,
        vmin=0,
        vmax=1,
        edgecolor="face",  # viewers of PDF show white lines between cells otherwise
        linewidth=0.2,
        antialiased=False,
        snap=True,
    )
    axes.set_xlim(0, n_columns)
    axes.set_ylim(n_rows, 0)


def _hatch(axes: Axes) -> None:
    """Fill axes with what shows where there is no value."""
    axes.grid(False)
    axes.patch.set(facecolor="white", edgecolor="#999999", hatch="//////", linewidth=0)
    for spine in axes.spines.values():
        spine.set(visible=True, linewidth=0.4)


def _label(axes: Axes, placed: PlacedMap, page: HeatPage, longest: int, *, is_alike: bool) -> None:
    """The name of a map, and those of its rows and columns, unless a map beside it has them.

    longest: characters of a name of any map; where they have little room, all names are small.
    """
    room = page.width + 0.8 * page.gap
    size = max(min(SMALL, room / LETTER / max(longest, 1)), _SMALLEST)
    axes.set_title(drawn_name(placed.name, int(room / LETTER / size)), fontsize=size, pad=2)
    size = SMALL if page.width >= 15 * MM else SMALL - 1.5
    axes.tick_params(length=1.5, width=0.4, pad=1.2, labelsize=size)
    rows, columns = (
        [drawn_name(label, LONGEST_LABEL) for label in side] for side in placed.map.labels
    )
    has_names = placed.map.column_labels is not None
    if placed.is_first or not is_alike:
        ticks = _ticks(len(rows), page.height, _LINE)
        axes.set_yticks([i + 0.5 for i in ticks], [rows[i] for i in ticks])
    else:
        axes.set_yticks([])
    if placed.is_last or not is_alike:
        needed = _LINE if has_names else (max(map(len, columns)) + 1) * LETTER * size
        ticks = _ticks(len(columns), page.width, needed)
        labels = [columns[i] for i in ticks]
        axes.set_xticks([i + 0.5 for i in ticks], labels, rotation=90 if has_names else 0)
    else:
        axes.set_xticks([])
    if placed.is_first:
        name = drawn_name(placed.map.row_name, _LONGEST_NAME)
        axes.set_ylabel(name, fontsize=size, labelpad=1.5)
    if placed.is_first and placed.is_last:
        axes.set_xlabel(
            drawn_name(placed.map.column_name, _LONGEST_NAME), fontsize=size, labelpad=1.5
        )


def _ticks(n: int, room: float, needed: float) -> range:
    """Which of n rows or columns have labels. needed: by each label, in inches."""
    every = next(
        factor * 10**exponent
        for exponent in range(20)
        for factor in (1, 2, 5)
        if room / n * factor * 10**exponent >= needed
    )
    return range(0, n, every)


def _add_scale(sheet: _Sheet, scale: HeatScale, value_name: str, page: HeatPage) -> None:
    """The scale of all maps, below them, and what cells without a value look like."""
    top = page.page_height - _SCALE_AT
    end = page.left
    if scale.low is not None and scale.high is not None:
        axes = sheet.axes(page.left, top, _SCALE_WIDTH, _SCALE_HEIGHT)
        axes.grid(False)
        shares = np.linspace(0, 1, 256)[None, :] * (scale.low < scale.high)
        axes.imshow(
            shares, cmap=colour_map.NAME, vmin=0, vmax=1, aspect="auto", extent=(0, 1, 0, 1)
        )
        places = [0.0, 0.5, 1.0] if scale.low < scale.high else [0.0]
        values = [scale.low * (1 - place) + scale.high * place for place in places]
        axes.set_xticks(places, number_labels(values), fontsize=SMALL)
        axes.set_yticks([])
        axes.tick_params(length=1.5, width=0.4, pad=1.2)
        if value_name:
            axes.set_title(drawn_name(value_name, _LONGEST_NAME), fontsize=SMALL, pad=2)
        end = page.left + _SCALE_WIDTH + 8 * MM
    if scale.lacks:
        axes = sheet.axes(end, top, _SCALE_HEIGHT, _SCALE_HEIGHT)
        _hatch(axes)
        axes.set_xticks([])
        axes.set_yticks([])
        left = end + _SCALE_HEIGHT + 1 * MM
        sheet.write("no value", left, top + _SCALE_HEIGHT - 0.5 * MM, SMALL)
