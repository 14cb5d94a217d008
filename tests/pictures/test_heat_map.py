"""Heat maps: their scale, and how they are grouped."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.errors import InvalidValue
from pythia_cli.pictures.heat_map import HeatScale, grouped, value_name_of
from tests.pictures.maps import heads, of

NAN, INF = math.nan, math.inf


def test_one_scale_for_all_maps() -> None:
    maps = [of([[1, 2]]), of([[5, NAN]]), of([[INF, 3]], low=0.5, high=4)]
    scale = HeatScale.over(maps)
    assert (scale.low, scale.high, scale.lacks) == (0.5, 5, True)
    assert scale.shares(maps[0].values) == pytest.approx(np.array([[0.5 / 4.5, 1.5 / 4.5]]))
    assert np.isnan(scale.shares(maps[2].values)).tolist() == [[True, False]]
    assert not HeatScale.over(maps[:1]).lacks


def test_scales_of_one_value_and_of_none() -> None:
    flat = HeatScale.over([of([[7, 7]])])
    assert (flat.low, flat.high) == (7, 7)
    assert flat.shares(np.array([[7.0]])).tolist() == [[0]]
    none = HeatScale.over([of([[NAN, INF]], low=0)])
    assert (none.low, none.high, none.lacks) == (None, None, True)
    assert np.isnan(none.shares(np.array([[NAN, 1.0]]))).all()


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=9))
def test_shares_are_in_order_and_on_the_scale(values: list[float]) -> None:
    one = of([values])
    shares = HeatScale.over([one]).shares(one.values)[0]
    there = np.isfinite(one.values[0])
    assert (np.isfinite(shares) == there).all()
    assert ((shares[there] >= 0) & (shares[there] <= 1)).all()
    order = np.argsort(one.values[0][there], kind="stable")
    assert (np.diff(shares[there][order]) >= 0).all()


@pytest.mark.parametrize("values", [[], [[]], [1.0, 2.0], [[[1.0]]]])
def test_what_is_no_matrix(values: object) -> None:
    with pytest.raises(InvalidValue, match="a matrix of at least one row and one column"):
        of(values)


def test_labels() -> None:
    assert of([[1, 2, 3]]).labels == (["0"], ["0", "1", "2"])
    assert of([[1, 2]], column_labels=("q", "k")).labels == (["0"], ["q", "k"])
    with pytest.raises(InvalidValue, match=r"column_labels is .* expected 2 texts"):
        of([[1, 2]], column_labels=["q"])
    assert repr(heads()[0]) == "HeatMap(pythia-410m, induction, step 0: 24 x 16)"


def test_a_group_for_each_panel() -> None:
    title, groups = grouped(heads(kinds=("induction", "previous-token")))
    assert title == "pythia-410m"
    assert [(group.heading, [name for name, _ in group.maps]) for group in groups] == [
        ("induction", ["step 0", "step 3000"]),
        ("previous-token", ["step 0", "step 3000"]),
    ]
    title, (group,) = grouped(heads([512], ["a", "b"]))
    assert (group.heading, [name for name, _ in group.maps]) == ("", ["a, step 512", "b, step 512"])
    title, (group,) = grouped(heads([512]))
    assert (group.heading, group.maps[0][0]) == ("induction", "step 512")


def test_maps_of_several_models() -> None:
    maps = [replace(one, title=name) for name in ("70m", "410m") for one in heads([512])]
    title, (group,) = grouped(maps)
    assert (title, [name for name, _ in group.maps]) == ("", ["70m, step 512", "410m, step 512"])
    assert value_name_of(maps) == "mean attention"
    with pytest.raises(InvalidValue, match="at least one heat map"):
        grouped([])
