"""Where heat maps are on a page."""

from __future__ import annotations

import itertools

import pytest

from pythia_cli.pictures.heat_map import grouped
from pythia_cli.pictures.heat_page import HeatPage, PlacedMap
from pythia_cli.pictures.problems import TooManyMaps
from pythia_cli.pictures.style import MM, WIDTH
from tests.pictures.maps import heads

SHAPES = [(24, 16), (6, 4), (36, 40), (1, 1), (24, 400), (200, 2)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("n_steps", "n_kinds"), [(1, 1), (2, 3), (20, 3), (60, 1)])
def test_boxes_are_on_the_page_and_apart(
    shape: tuple[int, int], n_steps: int, n_kinds: int
) -> None:
    maps = heads(range(n_steps), [str(i) for i in range(n_kinds)], shape)
    page = HeatPage.of(grouped(maps)[1], has_title=True)
    assert page.page_height <= 230 * MM + 1e-9
    placed = [one for one in page.placed() if isinstance(one, PlacedMap)]
    assert [one.map for one in placed] == maps
    for one in placed:
        assert 0 < one.left < one.left + page.width < WIDTH
        assert 0 < one.top < one.top + page.height < page.page_height
    for one, other in itertools.combinations(placed, 2):
        beside = abs(one.left - other.left) >= page.width + page.gap - 1e-9
        assert beside or abs(one.top - other.top) > page.height


def test_which_maps_name_their_rows_and_columns() -> None:
    page = HeatPage.of(grouped(heads(range(7)))[1], has_title=False)
    placed = [one for one in page.placed() if isinstance(one, PlacedMap)]
    assert [one.is_first for one in placed] == [True, *[False] * 4, True, False]
    assert [one.is_last for one in placed] == [False, False, *[True] * 5]


def test_a_page_has_room_for_some() -> None:
    """All 154 checkpoints of a Pythia fit; as many of three kinds do not."""
    assert HeatPage.of(grouped(heads(range(154)))[1], has_title=True).n_across > 10
    with pytest.raises(TooManyMaps) as raised:
        HeatPage.of(grouped(heads(range(154), "abc"))[1], has_title=True)
    assert raised.value.n_maps == 462
    assert 100 < raised.value.most < 462
    assert str(raised.value.most) in str(raised.value)
