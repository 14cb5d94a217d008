"""Heat maps as pictures."""

from __future__ import annotations

import builtins
import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest

from pythia_cli.errors import InvalidValue, ResourceError
from pythia_cli.pictures.heat_drawing import draw_heat_maps, heat_figure, heat_maps_picture
from pythia_cli.pictures.heat_map import HeatMap
from pythia_cli.pictures.problems import TooManyMaps
from pythia_cli.pictures.style import SUFFIXES, plot_style
from pythia_cli.tables.problems import MissingExtra
from tests.pictures.maps import heads, of

SVG = "{http://www.w3.org/2000/svg}"
BEGINS = {".svg": b"<?xml", ".png": b"\x89PNG", ".pdf": b"%PDF"}
ODD = ["_a$x^2$", "日本\x1b[31m\n", "q" * 300 + "\udcff", "</svg><b>", "\ufffe"]


def texts(svg: bytes) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_maps_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        draw_heat_maps(heads(shape=(3, 2)), path)
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(BEGINS[suffix])
    assert first == second
    assert sorted(tmp_path.iterdir()) == paths


def test_texts() -> None:
    maps = heads(kinds=("induction", "previous-token"))
    found = texts(heat_maps_picture(maps, ".SVG"))
    once = {"pythia-410m", "induction", "previous-token", "mean attention"}
    assert all(found.count(text) == 1 for text in once)
    assert [found.count(text) for text in ("step 3000", "layer", "head")] == [2, 2, 2]


def test_cells_are_where_they_belong() -> None:
    values = [[0, 1, math.nan], [0.5, 0.25, math.inf]]
    with plot_style():
        axes, scale, missing = heat_figure([of(values)]).axes
    (mesh,) = axes.collections
    assert np.ma.filled(mesh.get_array(), -1).tolist() == [[0, 1, -1], [0.5, 0.25, -1]]
    assert axes.get_ylim() == (2, 0)  # row 0 is at the top
    assert axes.patch.get_hatch() == missing.patch.get_hatch() == "//////"
    assert [label.get_text() for label in scale.get_xticklabels()] == ["0", "0.5", "1"]
    with plot_style():
        assert len(heat_figure([of([[0, 1]])]).axes) == 2  # nothing is missing


def test_all_have_one_scale() -> None:
    with plot_style():
        figure = heat_figure([of([[0, 1]], panel="a"), of([[4, 2]], panel="b")])
    first, second = (axes.collections[0].get_array().tolist() for axes in figure.axes[:2])
    assert (first, second) == ([[0, 0.25]], [[1, 0.5]])


@pytest.mark.parametrize("value", [0.0, math.nan])
def test_one_value_and_none(value: float) -> None:
    for suffix in SUFFIXES:
        assert heat_maps_picture([of([[value]])], suffix)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_any_name_can_be_drawn(suffix: str) -> None:
    maps = [
        HeatMap(name, name, name, np.eye(2), panel=name, name=name, row_labels=[name, "x"],
                column_labels=["x", name], value_name=name)
        for name in ODD
    ]  # fmt: skip
    assert heat_maps_picture(maps, suffix).startswith(BEGINS[suffix])


def test_labels_do_not_cover_one_another() -> None:
    """Nor do they leave the page."""
    cases = [
        heads(range(10), shape=(36, 40)),
        heads(range(60), kinds="ab"),
        [replace(one, title=one.name) for one in [*heads([1], shape=(6, 8)), *heads([2])]],
        [of(np.eye(24), column_labels=[str(2**i) for i in range(24)])],
    ]
    for maps in cases:
        with plot_style():
            figure = heat_figure(maps)
            figure.draw_without_rendering()
        for axes in figure.axes:
            for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
                boxes = [label.get_window_extent() for label in labels]
                assert not any(a.overlaps(b) for a, b in itertools.pairwise(boxes))
                assert all(figure.bbox.padded(2).containsx(box.x0) for box in boxes)


def test_settings_of_matplotlib_are_not_used() -> None:
    expected = heat_maps_picture(heads(shape=(3, 2)), ".svg")
    with matplotlib.rc_context({"font.size": 20, "image.cmap": "jet"}):
        assert heat_maps_picture(heads(shape=(3, 2)), ".svg") == expected


def test_what_cannot_be_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.jpg", "a"):
        with pytest.raises(InvalidValue, match=r"expected \.svg, \.png or \.pdf"):
            draw_heat_maps(heads(), tmp_path / name)
    with pytest.raises(InvalidValue, match="at least one heat map"):
        draw_heat_maps([], tmp_path / "a.svg")
    with pytest.raises(TooManyMaps):
        draw_heat_maps(heads(range(999)), tmp_path / "a.svg")
    with pytest.raises(ResourceError, match="cannot be written"):
        draw_heat_maps(heads([0], shape=(2, 2)), tmp_path / "nowhere" / "a.svg")
    real = builtins.__import__

    def without_matplotlib(name: str, *more: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *more)

    monkeypatch.setattr(builtins, "__import__", without_matplotlib)
    with pytest.raises(MissingExtra):
        draw_heat_maps(heads(), tmp_path / "a.svg")
    assert list(tmp_path.iterdir()) == []
