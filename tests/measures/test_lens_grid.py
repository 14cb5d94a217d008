"""What is drawn of a lens."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest

import pythia_cli
from pythia_cli.measures.lens import LensedText, LensMeter, LensOptions
from pythia_cli.measures.lens_grid import BOUNDS, SHADES, LensGrid, Shade, level_of


@pytest.fixture(scope="module")
def grids() -> dict[Shade, LensGrid]:
    with pythia_cli.load("demo") as model:
        (found,) = LensMeter(model, LensOptions(positions=(0, 1, -1))).measure(["It was not a"])
        assert isinstance(found, LensedText)
        return {shade: LensGrid.of(found, model.tokenizer, shade) for shade in get_args(Shade)}


def test_cells(grids: dict[Shade, LensGrid]) -> None:
    grid = grids["prob"]
    assert grid.positions == [0, 1, 3]
    assert grid.tokens == ["It", "\u00b7was", "\u00b7a"]
    assert grid.targets == ["\u00b7was", "\u00b7not", ""]
    assert len(grid.cells) == 7
    for row, hits in zip(grid.cells, grid.is_target, strict=True):
        for cell, target, is_hit in zip(row, grid.targets, hits, strict=True):
            assert (cell == target) == is_hit
    assert grid.is_target[6].tolist() == [True, False, False]


def test_figures_that_colour(grids: dict[Shade, LensGrid]) -> None:
    assert grids.keys() == SHADES.keys() == BOUNDS.keys()
    assert 0 < grids["prob"].values.min() <= grids["prob"].values.max() <= 1
    assert not grids["kl"].values[-1].any()
    assert np.isnan(grids["nll"].values[:, 2]).all()
    assert np.isfinite(grids["nll"].values[:, :2]).all()
    assert (grids["entropy"].values > 0).all()


@pytest.mark.parametrize(
    ("value", "shade", "level"),
    [(0.05, "prob", 0), (0.1, "prob", 1), (1.0, "prob", 4), (3.9, "nll", 2), (math.nan, "nll", 0)],
)
def test_levels(value: float, shade: Shade, level: int) -> None:
    assert level_of(value, shade) == level
