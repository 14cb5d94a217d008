"""Squares are transposed to the bit, and nothing beside them is written."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.kernels.sizes import LANES
from pythia_cli.kernels.tiles.columns import put_rows, take_columns
from tests.kernels.test_simd import jitted

take = jitted(lambda w, row, n, start, a, b: take_columns(w, row, n, start, a, b))
put = jitted(lambda columns, start, q, row: put_rows(columns, start, q, row))

_SEED, _BEFORE, _AFTER = st.integers(0, 2**32 - 1), st.integers(0, 20), st.integers(0, 20)


@given(seed=_SEED, row=st.integers(0, 3), n=st.integers(1, LANES), start=_BEFORE, after=_AFTER)
def test_columns_are_taken_and_the_last_row_stands_for_those_that_there_are_not(
    seed: int, row: int, n: int, start: int, after: int
) -> None:
    rng = np.random.default_rng(seed)
    d = start + LANES + after
    w = rng.standard_normal((row + n, d)).astype(np.float32)
    found = [np.zeros((d, LANES), np.float32) for _ in range(2)]
    take(w, row, n, start, *found)
    expected = np.zeros((d, LANES), np.float32)
    rows = row + np.minimum(np.arange(LANES), n - 1)
    expected[start : start + LANES] = w[rows, start : start + LANES].T
    for columns in found:
        assert columns.tobytes() == expected.tobytes()


@given(seed=_SEED, row=st.integers(0, 3), start=_BEFORE, after=_AFTER)
def test_rows_are_put_in_their_place(seed: int, row: int, start: int, after: int) -> None:
    rng = np.random.default_rng(seed)
    d = start + LANES + after
    columns = rng.integers(-127, 128, (d, LANES)).astype(np.float32)
    q = np.full((row + LANES + 1, d), 99, np.int8)
    expected = q.copy()
    expected[row : row + LANES, start : start + LANES] = columns[start : start + LANES].T
    put(columns, start, q, row)
    assert q.tobytes() == expected.tobytes()
