"""Draws the curves of a sweep with matplotlib: SVG, PNG or PDF."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_cli.errors import InputError
from pythia_cli.pictures.labels import compact, drawn_name
from pythia_cli.pictures.style import (
    WIDTH,
    checked_suffix,
    picture_bytes,
    plot_style,
    write_picture,
)
from pythia_cli.sweeps.curves import Curve, Names, Row, XAxis
from pythia_cli.sweeps.log_axis import LINEAR_DECADES, LogAxis, is_read_on_log_scale
from pythia_cli.sweeps.panels import Look, Panel, looks, panels_of
from pythia_cli.sweeps.plot_legend import PlotLegend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_X_NAMES = {"step": "training step", "tokens": "tokens seen in training"}

# Distinct for colour-blind readers (Okabe and Ito, Color Universal Design), without yellow, which
# white paper swallows.
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333")
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (6, 1.5, 1, 1.5)))
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")

_LONGEST_TITLE = 90
_MOST_BANDS = 12  # of more curves, bands would hide the lines
_MARKER_ROOM = 0.012  # of the length of the axis


def plot(
    rows: Sequence[Row],
    path: str | Path,
    *,
    measure: Names = None,
    input: Names = None,
    group: Names = None,
    figure: Names = None,
    x: XAxis = "step",
) -> None:
    """Draw the chosen curves to a file, which appears whole; its suffix is its format.

    As `picture_of`. Raises what that raises, and ResourceError.
    """
    path = Path(path)
    data = picture_of(
        rows, path.suffix, measure=measure, input=input, group=group, figure=figure, x=x
    )
    write_picture(path, data)


def picture_of(
    rows: Sequence[Row],
    suffix: str,
    *,
    measure: Names = None,
    input: Names = None,
    group: Names = None,
    figure: Names = None,
    x: XAxis = "step",
) -> bytes:
    """The chosen curves as the bytes of a file with this suffix. The same rows give the same bytes.

    rows: those of a sweep's table, chosen as `curves_of` does. A line is a model, an input, a group
    or a precision, with a band of one standard error. A panel is a figure of a measure; the last
    one has the quantization error, if there are certificates.

    Raises InvalidValue for another suffix than .svg, .png and .pdf, MissingExtra without
    matplotlib, InputError if there is nothing to draw, and what `curves_of` raises.
    """
    suffix = checked_suffix(suffix)
    panels = panels_of(rows, measure=measure, input=input, group=group, figure=figure, x=x)
    if not any(panel.values for panel in panels):
        raise InputError("the sweep", "has no values to draw")
    with plot_style():
        return picture_bytes(drawing(panels, x), suffix)


def drawing(panels: Sequence[Panel], x: XAxis) -> Figure:
    """The panels as a matplotlib Figure, 160 mm wide, that belongs to no window.

    To be made, and saved, within `plot_style`.
    """
    from matplotlib.figure import Figure

    legend = PlotLegend.of(panels)
    n_columns = 1 if len(panels) <= legend.most_in_one_column else 2
    n_rows = -(-len(panels) // n_columns)
    figure = Figure(figsize=(WIDTH, legend.height_with(n_rows)), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False).flat
    axis = LogAxis.over(p.x for panel in panels for curve in panel.curves for p in curve.points)
    for i, (panel, looked) in enumerate(zip(panels, looks(panels), strict=True)):
        axes = grid[i]
        _draw(axes, panel, looked, axis)
        axes.set_title(drawn_name(legend.title_of(panel), _LONGEST_TITLE // n_columns))
        if i + n_columns >= len(panels):  # no panel is below
            since = f" from {compact(axis.linear_to)}" if axis.first == 0 else ""
            axes.set_xlabel(f"{_X_NAMES[x]} (log scale{since})")
        legend.add(axes)
    for i in range(len(panels), n_rows * n_columns):
        grid[i].set_axis_off()
    legend.add_to(figure)
    return figure


def _draw(axes: Axes, panel: Panel, looked: Sequence[Look], axis: LogAxis) -> None:
    for curve, look in zip(panel.curves, looked, strict=True):
        _draw_line(axes, curve, look, axis)
        if len(panel.curves) <= _MOST_BANDS:
            _draw_bands(axes, curve, look)
    _scale(axes, axis, is_log=is_read_on_log_scale(panel.values))


def _draw_line(axes: Axes, curve: Curve, look: Look, axis: LogAxis) -> None:
    axes.plot(
        [point.x for point in curve.points],
        [float("nan") if point.value is None else point.value for point in curve.points],
        color=_COLOURS[look.colour],
        linestyle=_DASHES[look.dash],
        linewidth=1.1,
        marker=_MARKERS[look.marker],
        markersize=2.6,
        markevery=_marked(curve, axis),
        label=curve.label,
    )


def _marked(curve: Curve, axis: LogAxis) -> list[int]:
    """Which points have markers: those with no line to them, and others that have room."""
    alone = {stretch[0].x for stretch in curve.stretches if len(stretch) == 1}
    found, end = [], -1.0
    for i, point in enumerate(curve.points):
        position = axis.position(point.x)
        if point.x in alone or (point.value is not None and position >= end):
            found.append(i)
            end = position + _MARKER_ROOM
    return found


def _draw_bands(axes: Axes, curve: Curve, look: Look) -> None:
    """A band of one standard error on both sides of the line; a bar for a point without one."""
    for stretch in curve.stretches:
        ends = [
            (point.x, point.value - error, point.value + error)
            for point in stretch
            if point.value is not None and (error := point.stderr or 0.0) >= 0
        ]
        colour = _COLOURS[look.colour]
        xs, lows, highs = ([end[i] for end in ends] for i in range(3))
        if len(ends) == 1:
            axes.vlines(xs, lows, highs, color=colour, alpha=0.4, linewidth=2)
        elif lows != highs:
            axes.fill_between(xs, lows, highs, color=colour, alpha=0.18, linewidth=0)


def _scale(axes: Axes, axis: LogAxis, *, is_log: bool) -> None:
    """Set the scales of both axes, and their ticks."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

    axes.set_xscale("symlog", linthresh=axis.linear_to, linscale=LINEAR_DECADES)
    lowest = -0.2 * axis.linear_to if axis.first == 0 else axis.first / 1.15
    axes.set_xlim(lowest, axis.last * 1.15)
    axes.xaxis.set_major_locator(FixedLocator(axis.ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    number = FuncFormatter(lambda value, _: compact(value))
    axes.xaxis.set_major_formatter(number)
    if is_log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(number)
        axes.yaxis.set_minor_formatter(NullFormatter())
