"""Float sums in their documented order, bit casts, and the fused multiply-add."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.kernels.simd import (
    LANES,
    bits_from_float,
    float_from_bits,
    fma,
    lane_dot,
    lane_sum,
    least_lane_maximum,
)

jitted = numba.njit(nogil=True, error_model="numpy")
run_sum = jitted(lambda x, n: lane_sum(x, n))
run_dot = jitted(lambda x, y, n: lane_dot(x, y, n))
run_least = jitted(lambda x, n: least_lane_maximum(x, n))
run_fma = jitted(lambda a, b, c: fma(a, b, c))
run_bits = jitted(lambda x: bits_from_float(x))
run_float = jitted(lambda bits: float_from_bits(bits))


def in_lanes(terms: np.ndarray[Any, Any]) -> np.float32:
    """Add element i to lane i % LANES, in order; then the upper half to the lower, down to one."""
    lanes = np.zeros(LANES, np.float32)
    for i, term in enumerate(terms):
        lanes[i % LANES] += term
    while len(lanes) > 1:
        half = len(lanes) // 2
        lanes = lanes[:half] + lanes[half:]
    return lanes[0]


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 200), first=st.integers(0, 3))
def test_lane_sums_add_in_the_documented_order_to_the_bit(seed: int, n: int, first: int) -> None:
    rng = np.random.default_rng(seed)
    spread = 10.0 ** rng.integers(-6, 7, (2, first + n + 2))
    x, y = (rng.standard_normal(spread.shape) * spread).astype(np.float32)[:, first:]
    assert np.float32(run_sum(x, n)).tobytes() == in_lanes(x[:n]).tobytes()
    assert np.float32(run_dot(x, y, n)).tobytes() == in_lanes(x[:n] * y[:n]).tobytes()


def test_a_lane_sum_covers_a_long_row() -> None:
    x = np.random.default_rng(0).standard_normal(20_003).astype(np.float32)
    assert np.float32(run_sum(x, len(x))).tobytes() == in_lanes(x).tobytes()


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 9))
def test_the_least_lane_maximum_is_that_of_columns(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, LANES)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = rng.choice([np.inf, -np.inf])
    assert run_least(x.ravel(), x.size) == x.max(axis=0).min()
    x[rng.random(x.shape) < 0.3] = np.nan
    numbers = np.where(np.isnan(x), -np.inf, x)
    assert run_least(x.ravel(), x.size) == numbers.max(axis=0).min()


def test_fma_rounds_once() -> None:
    a = np.float32(1 + 2**-12)
    assert run_fma(a, a, np.float32(-(1 + 2**-11))) == np.float32(2**-24)


@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, -2.5, 1e-45, np.inf, -np.inf, 3.4e38])
def test_bit_casts_equal_views_of_memory(value: float) -> None:
    x = np.float32(value)
    bits = x.view(np.int32)
    assert run_bits(x) == bits
    assert np.float32(run_float(bits)).tobytes() == x.tobytes()
