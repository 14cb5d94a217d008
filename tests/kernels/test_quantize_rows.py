"""Activations in int16: never beyond the largest level; NaN and infinity are not hidden."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pythia_cli.kernels.quantize_rows import quantize_row

any_floats = hnp.arrays(
    np.float32,
    st.integers(1, 40),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@given(x=any_floats, levels=st.sampled_from([825, 4128, 16512, 32767]))
def test_no_finite_row_exceeds_its_levels(x: np.ndarray, levels: int) -> None:
    x_q = np.empty(len(x), np.int16)
    scale = quantize_row(x, levels, x_q)
    assert np.abs(x_q.astype(np.int64)).max() <= levels
    assert 0 <= scale < np.inf
    assert np.abs(x_q * np.float64(scale) - x).max() <= 0.51 * np.float64(scale) + 1e-32


@pytest.mark.parametrize("damage", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [0, 16, 19])
def test_a_row_with_nan_or_infinity_has_no_finite_scale(damage: float, place: int) -> None:
    x = np.linspace(-1, 1, 20, dtype=np.float32)
    x[place] = damage
    assert not np.isfinite(quantize_row(x, 32767, np.empty(20, np.int16)))
