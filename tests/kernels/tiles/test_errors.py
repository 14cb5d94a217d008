"""Columns are rounded; their errors are added to the others in order, with every rounding."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.kernels.sizes import COLUMNS_TOGETHER, FEEDBACK_ROWS
from pythia_cli.kernels.tiles.errors import add_errors, round_column
from tests.kernels.test_simd import jitted

run = jitted(
    lambda moved, errors, feedback, k, n_errors, lo, hi: add_errors(
        moved, errors, feedback, k, n_errors, lo, hi
    )
)

round_one = jitted(
    lambda w, moved, k, scales, per_scales, errors, c: round_column(
        w, moved, k, scales, per_scales, errors, c
    )
)


@given(
    seed=st.integers(0, 2**32 - 1),
    n_errors=st.integers(0, COLUMNS_TOGETHER),
    lo=st.integers(0, 5),
    n=st.integers(0, 40),
    more=st.integers(0, 20),
)
def test_errors_are_added_column_by_column_to_the_bit(
    seed: int, n_errors: int, lo: int, n: int, more: int
) -> None:
    rng = np.random.default_rng(seed)
    hi, d = lo + n, lo + n + COLUMNS_TOGETHER + more
    moved = rng.standard_normal((d, FEEDBACK_ROWS)).astype(np.float32)
    errors = rng.standard_normal((COLUMNS_TOGETHER, FEEDBACK_ROWS)).astype(np.float32)
    feedback = rng.standard_normal((d, d)).astype(np.float32)
    k = d - 1 - more
    expected = moved.copy()
    for c in range(n_errors):
        expected[lo:hi] += errors[c] * feedback[k - c, lo:hi, None]
    run(moved, errors, feedback, k, n_errors, lo, hi)
    assert moved.tobytes() == expected.tobytes()


@given(seed=st.integers(0, 2**32 - 1), k=st.integers(0, 3), c=st.integers(0, 3))
def test_a_column_is_rounded_to_levels_and_leaves_its_errors(seed: int, k: int, c: int) -> None:
    rng = np.random.default_rng(seed)
    w, moved, errors = (
        rng.standard_normal((4, FEEDBACK_ROWS)).astype(np.float32) for _ in range(3)
    )
    scales = rng.uniform(0.005, 0.02, FEEDBACK_ROWS).astype(np.float32)  # some are clipped
    scales[rng.integers(FEEDBACK_ROWS)] = 0
    per_scales = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)
    levels = np.clip(np.rint(moved[k] * per_scales), -127, 127)
    wanted_moved, wanted_errors = moved.copy(), errors.copy()
    wanted_moved[k], wanted_errors[c] = levels, w[k] - levels * scales
    round_one(w, moved, k, scales, per_scales, errors, c)
    assert np.array_equal(moved, wanted_moved)
    assert np.array_equal(errors, wanted_errors)
