"""Legends that cover no curve."""

from __future__ import annotations

import pytest

from pythia_cli.pictures.style import plot_style
from pythia_cli.sweeps.panels import panels_of
from pythia_cli.sweeps.plot import drawing
from tests.sweeps.sweep_rows import Rows, row


def rows_of(n_models: int, name: str = "model") -> Rows:
    return [row(f"{name}{i}", step, 0.5 + i / 100) for i in range(n_models) for step in (0, 10)]


@pytest.mark.parametrize("rows", [rows_of(1), rows_of(4), rows_of(30), rows_of(3, "long" * 20)])
def test_a_shared_legend_is_outside(rows: Rows) -> None:
    with plot_style():
        figure = drawing(panels_of(rows), "step")
        figure.draw_without_rendering()
    (legend,) = figure.legends
    assert not legend.get_window_extent().overlaps(figure.axes[0].get_window_extent())
    inside = figure.bbox.padded(2)
    assert inside.contains(*legend.get_window_extent().min)
    assert inside.contains(*legend.get_window_extent().max)


def test_panels_with_different_lines_have_their_own() -> None:
    rows = rows_of(1) + [row("model0", measure="choices", input=f"text{i}") for i in range(20)]
    with plot_style():
        figure = drawing(panels_of(rows), "step")
        figure.draw_without_rendering()
    first, second = figure.axes
    assert (figure.legends, first.get_legend()) == ([], None)
    assert first.get_title("left") == "accuracy (pairs, blimp.jsonl): model0"
    box = second.get_legend().get_window_extent()
    assert not any(box.overlaps(axes.get_window_extent()) for axes in figure.axes)
    assert figure.bbox.padded(2).contains(*box.min)
