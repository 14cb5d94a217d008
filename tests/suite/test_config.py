"""ModelConfig: what exists can be run, wherever it comes from."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pythia_cli.errors import InvalidValue
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.models import SIZES
from tests.float_folders import TINY

HUGE = 10**400
COUNTS = ("n_layers", "n_heads", "d_model", "d_mlp", "d_vocab", "n_ctx")
NUMBERS = ("rotary_pct", "rotary_base", "layer_norm_eps")


def refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidValue, match=field) as raised:
        dataclasses.replace(TINY, **{field: value})
    assert raised.value.name == field


@pytest.mark.parametrize("field", COUNTS)
@pytest.mark.parametrize("value", [0, -1, HUGE, 1 << 31, 2.0, True, "2", None, [2]])
def test_counts_are_whole_numbers_in_bounds(field: str, value: Any) -> None:
    refused(field, value)


def test_sums_of_products_of_bytes_fit_in_32_bits() -> None:
    for field in ("d_model", "d_mlp"):
        widest = 1 << 16
        assert 127 * 255 * widest < 1 << 31
        assert getattr(dataclasses.replace(TINY, **{field: widest}), field) == widest
        refused(field, widest + 1)


@pytest.mark.parametrize("field", NUMBERS)
@pytest.mark.parametrize(
    "value", [HUGE, -HUGE, float("nan"), float("inf"), 1e31, -1e-9, True, "1", None, [0.5]]
)
def test_numbers_are_finite_and_in_bounds(field: str, value: Any) -> None:
    refused(field, value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rotary_pct", 1e5),
        ("rotary_pct", 1.001),
        ("rotary_base", 0),
        ("rotary_base", 1e-300),
        ("layer_norm_eps", 0.0),
        ("layer_norm_eps", 1e-60),
        ("use_parallel_residual", 1),
        ("use_parallel_residual", None),
        ("n_heads", 3),
        ("n_heads", 32),
    ],
)
def test_values_that_kernels_cannot_take_are_refused(field: str, value: Any) -> None:
    refused(field, value)


def test_an_odd_head_is_not_rotated_beyond_its_end() -> None:
    with pytest.raises(InvalidValue, match="rotary_pct"):
        ModelConfig(2, 2, 18, 40, 33, 24, rotary_pct=1.0)
    assert ModelConfig(2, 2, 18, 40, 33, 24, rotary_pct=0.9).n_rotary == 8


def test_the_rotary_tables_have_bounds() -> None:
    long = dataclasses.replace(TINY, d_model=512, n_ctx=1 << 20)
    assert (long.n_rotary, long.d_head) == (64, 256)
    with pytest.raises(InvalidValue, match="n_ctx is 1048576; expected at most 524288"):
        dataclasses.replace(long, rotary_pct=0.5)


def test_whole_numbers_serve_as_fractions() -> None:
    config = dataclasses.replace(TINY, rotary_pct=1, rotary_base=10000)
    assert config == dataclasses.replace(TINY, rotary_pct=1.0)
    assert type(config.rotary_base) is float


def test_every_published_shape_exists() -> None:
    for config in SIZES.values():
        assert ModelConfig(**config.to_dict()) == config
