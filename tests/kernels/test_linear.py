"""The integer part of matmul is exact, with and without tiles, up to the bounds of int32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.jit.declare import TIER
from pythia_cli.kernels.linear import ExactLinear, Quantized, matmul, matmul_plain
from pythia_cli.kernels.sizes import LANES, MAX_INT16, MAX_INT32, activation_levels
from tests.kernels.twins import NO_HALVES, NO_LANES, WIDTH_IN_LANES, packed

WIDEST = 20480
ROOM = np.empty(LANES * WIDEST, np.int16)

both = pytest.mark.parametrize("kernel", [matmul, matmul_plain], ids=["matmul", "matmul_plain"])


def integer_part(
    kernel: Any, w: np.ndarray[Any, Any], x: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """out [n_tokens, d_out] with all scales 1 and no bias."""
    out = np.full((len(x), len(w)), np.nan, np.float32)
    ones = np.ones(len(w), np.float32)
    inputs = packed(Quantized(x, np.ones(len(x), np.float32), NO_LANES, *NO_HALVES))
    kernel(ExactLinear(w, ones, 0 * ones, ROOM), inputs, False, out, 0, len(w))
    return out


def exact(w: np.ndarray[Any, Any], x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    sums = x.astype(np.int64) @ w.astype(np.int64).T
    assert np.abs(sums).max() <= MAX_INT32
    return sums.astype(np.float32)


@both
@given(
    seed=st.integers(0, 2**32 - 1),
    n_tokens=st.integers(1, 9),
    d_in=st.integers(1, 200),
    d_out=st.integers(1, 60),
)
def test_sums_are_exact(kernel: Any, seed: int, n_tokens: int, d_in: int, d_out: int) -> None:
    rng = np.random.default_rng(seed)
    levels = activation_levels(d_in)
    w = rng.integers(-127, 128, (d_out, d_in), dtype=np.int8)
    x = rng.integers(-levels, levels + 1, (n_tokens, d_in), dtype=np.int16)
    np.testing.assert_array_equal(integer_part(kernel, w, x), exact(w, x))


@both
@pytest.mark.parametrize("d_in", [516, 4096, WIDEST])
@pytest.mark.parametrize("n_tokens", [1, 9, 35])
def test_sums_at_the_bound_do_not_overflow(kernel: Any, d_in: int, n_tokens: int) -> None:
    x = np.full((n_tokens, d_in), activation_levels(d_in), np.int16)
    w = np.full((13, d_in), 127, np.int8)
    w[::2] *= -1
    np.testing.assert_array_equal(integer_part(kernel, w, x), exact(w, x))


@given(
    seed=st.integers(0, 2**32 - 1),
    n_tokens=st.one_of(st.just(1), st.integers(1, 70)),
    d_in=st.one_of(
        st.integers(1, 200), st.sampled_from(range(WIDTH_IN_LANES, 400, WIDTH_IN_LANES))
    ),
    d_out=st.integers(1, 60),
    adds=st.booleans(),
)
def test_tiles_change_no_bit(seed: int, n_tokens: int, d_in: int, d_out: int, adds: bool) -> None:
    rng = np.random.default_rng(seed)
    w = rng.integers(-127, 128, (d_out, d_in), dtype=np.int8)
    x = rng.integers(-MAX_INT16 // 8, MAX_INT16 // 8, (n_tokens, d_in), dtype=np.int16)
    w_scales, bias = rng.random((2, d_out), np.float32)
    x_scales = rng.random(n_tokens, np.float32)
    tiled = rng.random((n_tokens, d_out), np.float32)
    untiled = tiled.copy()
    linear, inputs = (
        ExactLinear(w, w_scales, bias, ROOM),
        packed(Quantized(x, x_scales, NO_LANES, *NO_HALVES)),
    )
    matmul(linear, inputs, adds, tiled, 0, d_out)
    matmul_plain(linear, inputs, adds, untiled, 0, d_out)
    assert tiled.tobytes() == untiled.tobytes()


def test_a_single_token_is_multiplied_by_its_halves_if_the_tier_has_them() -> None:
    """Wrong ones show it, as nothing but speed does otherwise."""
    w, x = np.ones((8, WIDTH_IN_LANES), np.int8), np.ones((1, WIDTH_IN_LANES), np.int16)
    ones, out = np.ones(8, np.float32), np.empty((1, 8), np.float32)
    inputs = packed(Quantized(x, ones[:1], NO_LANES, *NO_HALVES))
    inputs.halves[:] = 0
    inputs.totals[:] = 0
    matmul(ExactLinear(w, ones, 0 * ones, ROOM), inputs, False, out, 0, 8)
    assert out.tolist() == [[0 if TIER.has_halves else WIDTH_IN_LANES] * 8]


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_room_for_a_block_or_not_changes_no_bit(more: int) -> None:
    rng = np.random.default_rng(more + 1)
    n_tokens, d_out, d_in = 3 * LANES, 5 * LANES, 4 * WIDTH_IN_LANES
    w = rng.integers(-127, 128, (d_out, d_in), dtype=np.int8)
    x = rng.integers(-999, 999, (n_tokens, d_in), dtype=np.int16)
    ones, out = np.ones(d_out, np.float32), np.empty((n_tokens, d_out), np.float32)
    room = np.empty(w.size + more, np.int16)
    inputs = packed(Quantized(x, np.ones(n_tokens, np.float32), NO_LANES, *NO_HALVES))
    matmul(ExactLinear(w, ones, 0 * ones, room), inputs, False, out, 0, d_out)
    np.testing.assert_array_equal(out, exact(w, x))


@pytest.mark.parametrize("d_in", [1, 2, 515, 516, 517, 1024, 4096, 5120, 20480, 50_000])
def test_activation_levels_are_the_largest_that_fit(d_in: int) -> None:
    levels = activation_levels(d_in)
    assert 127 * levels * d_in <= MAX_INT32
    assert levels == 127 * 256 + 127 or 127 * (levels + 1) * d_in > MAX_INT32
