"""Errors of rounded columns are added to the others in their order, with every rounding."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.kernels.sizes import COLUMNS_TOGETHER, FEEDBACK_ROWS
from pythia_cli.kernels.tiles.errors import add_errors
from tests.kernels.test_simd import jitted

run = jitted(lambda moved, errors, feedback, k, n: add_errors(moved, errors, feedback, k, n))


@given(seed=st.integers(0, 2**32 - 1), n=st.integers(0, 40), more=st.integers(0, 20))
def test_errors_are_added_column_by_column_to_the_bit(seed: int, n: int, more: int) -> None:
    rng = np.random.default_rng(seed)
    d = n + COLUMNS_TOGETHER + more
    moved = rng.standard_normal((d, FEEDBACK_ROWS)).astype(np.float32)
    errors = rng.standard_normal((COLUMNS_TOGETHER, FEEDBACK_ROWS)).astype(np.float32)
    feedback = rng.standard_normal((d, d)).astype(np.float32)
    k = d - 1 - more
    expected = moved.copy()
    for c in range(COLUMNS_TOGETHER):
        expected[:n] += errors[c] * feedback[k - c, :n, None]
    run(moved, errors, feedback, k, n)
    assert moved.tobytes() == expected.tobytes()
