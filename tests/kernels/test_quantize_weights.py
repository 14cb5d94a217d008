"""Weights in int8: the documented levels and scale of a row."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.kernels.quantize_weights import quantize_weights
from pythia_cli.kernels.sizes import SCALE_CANDIDATES
from pythia_cli.kernels.tiles.scales import SCALES_TOGETHER, squared_errors
from tests.kernels import plain
from tests.kernels.test_simd import in_lanes, jitted

run_errors = jitted(lambda w, n, p, first, errors: squared_errors(w, n, p, first, errors))


def quantized(w: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    q, scales = np.full(w.shape, 99, np.int8), np.full(len(w), np.nan, np.float32)
    room = np.full((2, len(SCALE_CANDIDATES)), np.nan, np.float32)
    quantize_weights(w, SCALE_CANDIDATES, room, q, scales, 0, len(w))
    return q, scales


def random_rows(seed: int, d_in: int, exponent: float) -> np.ndarray:
    w = np.random.default_rng(seed).standard_t(3, (7, d_in)) * 10.0**exponent
    return np.clip(w, -3e38, 3e38).astype(np.float32)


@given(seed=st.integers(0, 2**32 - 1), d_in=st.integers(1, 200), exponent=st.floats(-28, 37))
def test_the_error_is_never_above_plain_absmax(seed: int, d_in: int, exponent: float) -> None:
    # Scales below 1e-37 are 0: smaller weights would be lost.
    w = random_rows(seed, d_in, exponent)
    q, scales = quantized(w)
    exact = w.astype(np.float64)
    error = plain.distance(q * scales.astype(np.float64)[:, None], exact)
    absmax = np.abs(exact).max(axis=1, keepdims=True)
    plainly = plain.distance(plain.to_int8(exact, absmax / 127), exact)
    assert (error <= plainly + 2e-7 * np.linalg.norm(exact, axis=1)).all()


@given(seed=st.integers(0, 2**32 - 1), d_in=st.integers(1, 200), exponent=st.floats(-9, 9))
def test_a_scale_is_a_candidate_and_levels_are_the_nearest(
    seed: int, d_in: int, exponent: float
) -> None:
    w = random_rows(seed, d_in, exponent)
    q, scales = quantized(w)
    fractions = scales * 127 / np.abs(w).max(axis=1)
    assert (np.abs(fractions[:, None] - SCALE_CANDIDATES).min(axis=1) < 1e-6).all()
    assert q.min() >= -127
    levels = w / scales[:, None].astype(np.float64)
    assert (np.abs(q - np.clip(levels, -127, 127)) <= 0.5001).all()


def test_candidates_begin_with_absmax_and_end_at_four_fifths() -> None:
    assert SCALE_CANDIDATES[0] == 1
    assert SCALE_CANDIDATES[-1] == np.float32(0.8)
    assert (np.diff(SCALE_CANDIDATES) < 0).all()


@pytest.mark.parametrize("value", [0.0, -0.0, 1e-40])
def test_a_row_of_zeros_has_scale_0(value: float) -> None:
    w = np.ones((3, 17), np.float32)
    w[1] = value
    q, scales = quantized(w)
    assert scales[1] == 0
    assert not q[1].any()
    assert (q[[0, 2]] == 127).all()


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(1, 70))
def test_squared_errors_add_in_the_order_of_lane_sum_to_the_bit(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    w = rng.standard_normal(n).astype(np.float32)
    per_scales = rng.uniform(1, 200, 2 + SCALES_TOGETHER).astype(np.float32)
    errors = np.full(len(per_scales), np.nan, np.float32)
    run_errors(w, n, per_scales, 1, errors)
    assert np.isnan(errors[[0, -1]]).all()
    for c in range(1, 1 + SCALES_TOGETHER):
        exact = np.abs(w) * per_scales[c]
        left = np.minimum(np.rint(exact), np.float32(127)) - exact
        assert errors[c].tobytes() == in_lanes(left * left).tobytes()


@given(seed=st.integers(0, 2**32 - 1), d_in=st.integers(1, 200), exponent=st.floats(-36, 37))
def test_scales_that_are_left_out_are_not_better(seed: int, d_in: int, exponent: float) -> None:
    w = random_rows(seed, d_in, exponent)
    _, scales = quantized(w)
    for row, scale in zip(w, scales, strict=True):
        assert scale.tobytes() == best_of_all(row).tobytes()


def best_of_all(row: np.ndarray) -> np.float32:
    """The scale that a search among all candidates finds."""
    own = SCALE_CANDIDATES * np.abs(row).max() / np.float32(127)
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        per_scales = np.float32(1) / own
        errors = np.empty_like(own)
        for first in range(0, len(own), SCALES_TOGETHER):
            at = min(first, len(own) - SCALES_TOGETHER)
            run_errors(row, len(row), per_scales, at, errors)
        squared = errors * (SCALE_CANDIDATES * SCALE_CANDIDATES)
    squared[(own < np.float32(1e-37)) | np.isnan(squared)] = np.inf
    best = int(np.argmin(squared))
    return own[best] if squared[best] < np.inf else np.float32(0)
