"""Pictures of a sweep."""

from __future__ import annotations

import builtins
import math
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import pytest

from pythia_cli.errors import InputError, InvalidValue, ResourceError
from pythia_cli.pictures.style import SUFFIXES
from pythia_cli.suite.steps import STEPS
from pythia_cli.sweeps.panels import panels_of
from pythia_cli.sweeps.plot import drawing, picture_of, plot
from pythia_cli.tables.problems import MissingExtra
from tests.sweeps.sweep_rows import Rows, curve, row, sweep

SVG = "{http://www.w3.org/2000/svg}"
BEGINS = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}
ODD = ["_a$x^2$", "日本\x1b[31m\n", "q" * 300 + "\udcff", "</svg><b>", "\ufffe"]


def texts(svg: bytes) -> list[str]:
    """The texts of a picture."""
    return ["".join(node.itertext()) for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_rows_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    rows = sweep(["pythia-70m"], [0, 1, 1000])
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        plot(rows, path)
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(BEGINS[suffix])
    assert first == second
    assert sorted(tmp_path.iterdir()) == paths


def test_lines_bands_and_texts() -> None:
    models = ["pythia-70m", "pythia-160m"]
    svg = picture_of(sweep(models, STEPS, certified=True), ".SVG")
    found = texts(svg)
    assert {*models, "0", "1", "100k", "perplexity (eval.txt)"} <= set(found)
    assert found.count("training step (log scale from 1)") == 1
    panels = drawing(panels_of(sweep(models, STEPS, certified=True)), "step").axes
    assert [len(axes.get_lines()) for axes in panels] == [2, 2, 2]
    assert [len(axes.collections) for axes in panels] == [2, 2, 0]
    assert [axes.get_yscale() for axes in panels] == ["linear", "log", "linear"]


def test_gaps_and_single_points() -> None:
    values = [0.5, None, 0.6, 0.7, float("nan"), 0.8]
    rows = [row(step=i, value=value) for i, value in enumerate(values)]
    (axes,) = drawing(panels_of(rows), "step").axes
    (line,) = axes.get_lines()
    drawn = [None if math.isnan(value) else value for value in line.get_ydata()]
    assert drawn == [0.5, None, 0.6, 0.7, None, 0.8]
    assert line.get_markevery() == [0, 2, 3, 5]
    assert len(axes.collections) == 3  # a band, and a bar at each single point


@pytest.mark.parametrize("step", [0, 1, 3000, 143_000])
def test_one_step(step: int) -> None:
    (axes,) = drawing(panels_of([row(step=step)]), "step").axes
    low, high = axes.get_xlim()
    assert low < step < high
    assert picture_of([row(step=step, stderr=None)], ".png")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_name_can_be_drawn(suffix: str) -> None:
    rows = [row(name, step, 0.5, measure="$\\frac{") for name in ODD for step in (0, 9)]
    rows += [row(name, input=name, measure=name, figure=name) for name in ODD]
    data = picture_of(rows, suffix)
    if suffix == ".svg":
        assert {" _a$x^2$", "日本\\x1b[31m\\n", "</svg><b>", "\\ufffe"} <= set(texts(data))


def test_long_legends_end() -> None:
    rows = [row(input=f"text{i}") for i in range(100)]
    found = texts(picture_of(rows, ".svg"))
    assert "text59" in found
    assert "text60" not in found
    assert "and 40 more" in found


def test_a_whole_sweep_of_twenty_measures() -> None:
    rows: Rows = []
    for i in range(20):
        rows += curve(0.6 + i / 100, measure=f"pairs{i}", steps=STEPS)
    svg = picture_of(rows, ".svg")
    assert texts(svg).count("training step (log scale from 1)") == 2


def test_settings_of_matplotlib_are_neither_used_nor_changed() -> None:
    rows = sweep(["pythia-70m"], [0, 1])
    expected = picture_of(rows, ".svg")
    with matplotlib.rc_context({"font.size": 20, "axes.facecolor": "red"}):
        before = dict.copy(matplotlib.rcParams)  # its own methods choose a backend
        assert picture_of(rows, ".svg") == expected
        assert dict.copy(matplotlib.rcParams) == before


def test_what_cannot_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.jpg", "a"):
        with pytest.raises(InvalidValue, match=r"expected \.svg, \.png or \.pdf"):
            plot([row()], tmp_path / name)
    with pytest.raises(InputError, match="no values to draw"):
        plot([row(value=None)], tmp_path / "a.svg")
    with pytest.raises(ResourceError, match="cannot be written"):
        plot([row()], tmp_path / "nowhere" / "a.svg")
    real = builtins.__import__

    def without_matplotlib(name: str, *more: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(MissingExtra) as error:
        plot([row()], tmp_path / "a.svg")
    assert (error.value.library, error.value.extra) == ("matplotlib", "plot")
    assert list(tmp_path.iterdir()) == []
