"""The legends and titles of a plot, and the room that they need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pythia_cli.pictures.labels import drawn_name
from pythia_cli.pictures.style import MM
from pythia_cli.sweeps.panels import Panel

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_HEIGHT = 55 * MM
_LEGEND_LINE = 3.7 * MM
_FRAME_HEIGHT = 18 * MM
_MOST_IN_ONE_COLUMN = 3
_MOST_WITH_LEGENDS = 8
_MOST_ABOVE = 4  # curves whose legend may be above the panels
_MOST_CHARACTERS_ABOVE = 80
_MOST_IN_LEGEND = 60
_LONGEST_LABEL = 40


class PlotLegend:
    """Outside the panels: above them if it is short, otherwise to their right.

    One for the figure if all panels have the same lines, otherwise one for each panel; the title of
    a panel with a single line names that.
    """

    def __init__(self, panels: Sequence[Panel], *, is_shared: bool) -> None:
        labels = [curve.label for curve in panels[0].curves]
        self._is_shared = is_shared
        self._is_above = (
            is_shared
            and len(labels) <= _MOST_ABOVE
            and sum(map(len, labels)) <= _MOST_CHARACTERS_ABOVE
        )
        longest = max(len(panel.curves) for panel in panels)
        self._n_lines = 1 if self._is_above else min(longest, _MOST_IN_LEGEND) + 1
        self._handles: list[Any] = []

    @classmethod
    def of(cls, panels: Sequence[Panel]) -> PlotLegend:
        """The legend of these panels."""
        shared = {tuple(curve.label for curve in panel.curves) for panel in panels}
        return cls(panels, is_shared=len(shared) == 1)

    def height_with(self, n_rows: int) -> float:
        """The height in inches of a figure with rows of panels, and with room for the legend."""
        needed = self._n_lines * _LEGEND_LINE
        if self._is_shared:
            return max(n_rows * _PANEL_HEIGHT, needed) + _FRAME_HEIGHT
        return n_rows * max(_PANEL_HEIGHT, needed) + _FRAME_HEIGHT

    @property
    def most_in_one_column(self) -> int:
        """How many panels are below one another before there is a second column."""
        return _MOST_IN_ONE_COLUMN if self._is_shared else _MOST_WITH_LEGENDS

    def title_of(self, panel: Panel) -> str:
        """The title of a panel."""
        if self._is_shared or len(panel.curves) > 1:
            return panel.title
        return f"{panel.title}: {panel.curves[0].label}"

    def add(self, axes: Axes) -> None:
        """Add the legend of a panel, unless it is shared or the title has it."""
        handles = axes.get_lines()
        if self._is_shared:
            self._handles = list(handles)
        elif len(handles) > 1:
            axes.legend(*_entries(handles), loc="upper left", bbox_to_anchor=(1, 1))

    def add_to(self, figure: Figure) -> None:
        """Add the shared legend."""
        if not self._is_shared:
            return
        handles, labels = _entries(self._handles)
        if self._is_above:
            figure.legend(handles, labels, loc="outside upper left", ncols=len(labels))
        else:
            figure.legend(handles, labels, loc="outside right upper")


def _entries(handles: Sequence[Any]) -> tuple[list[Any], list[str]]:
    """Lines and their labels, of not too many."""
    from matplotlib.lines import Line2D

    shown = list(handles[:_MOST_IN_LEGEND])
    labels = [drawn_name(str(handle.get_label()), _LONGEST_LABEL) for handle in shown]
    if n_more := len(handles) - len(shown):
        shown.append(Line2D([], [], linestyle="none"))
        labels.append(f"and {n_more} more")
    return shown, labels
