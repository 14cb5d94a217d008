"""A log axis with 0."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.pictures.labels import compact
from pythia_cli.suite.steps import LATE_STEPS, STEPS, TOKENS_PER_STEP
from pythia_cli.sweeps.log_axis import LogAxis, is_read_on_log_scale


def test_zero_and_powers_of_ten_are_ticks() -> None:
    assert [compact(tick) for tick in LogAxis.over(STEPS).ticks] == [
        "0", "1", "10", "100", "1k", "10k", "100k",
    ]  # fmt: skip
    tokens = LogAxis.over(step * TOKENS_PER_STEP for step in STEPS)
    assert [compact(tick) for tick in tokens.ticks] == [
        "0", "1M", "10M", "100M", "1B", "10B", "100B",
    ]  # fmt: skip
    assert LogAxis.over([0, *LATE_STEPS]).ticks == [0, 1000, 10_000, 100_000]


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([], [0, 1]),
        ([0], [0, 1]),
        ([1], [1, 10]),
        ([3000], [1000, 10_000]),
        ([20, 90], [20, 50]),
        ([143_000], [100_000, 1_000_000]),
        ([30, 40], [30, 40]),
    ],
)
def test_few_values(values: list[int], ticks: list[int]) -> None:
    assert LogAxis.over(values).ticks == ticks


@given(st.lists(st.integers(0, 10**12), min_size=2, unique=True))
def test_places_are_in_order_and_within_the_axis(values: list[int]) -> None:
    axis = LogAxis.over(values)
    places = [axis.position(value) for value in sorted(values)]
    assert places == sorted(places)
    assert (places[0], round(places[-1], 9)) == (0, 1)
    assert len(axis.ticks) >= 2
    assert all(-1e-9 <= axis.position(tick) <= 1 + 1e-9 for tick in axis.ticks)


def test_values_far_apart_are_on_a_log_scale() -> None:
    assert is_read_on_log_scale([20, 50_000])
    assert not is_read_on_log_scale([0.5, 0.9])
    assert not is_read_on_log_scale([0, 50_000])
    assert not is_read_on_log_scale([])
