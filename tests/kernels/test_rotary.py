"""The rotary tables against their definition."""

from __future__ import annotations

import numpy as np
import pytest

from pythia_cli.kernels.sizes import rotary_tables


@pytest.mark.parametrize("n_rotary", [2, 3, 16, 32, 80])
@pytest.mark.parametrize("base", [500.0, 10000.0])
def test_tables_are_cos_and_sin_of_position_times_frequency(n_rotary: int, base: float) -> None:
    frequencies = base ** (-np.arange(0, n_rotary, 2) / n_rotary)
    angles = np.arange(2048)[:, None] * frequencies
    for table, exact in zip(rotary_tables(2048, n_rotary, base), (np.cos, np.sin), strict=True):
        assert table.dtype == np.float32
        assert table.shape == (2048, (n_rotary + 1) // 2)
        # As in transformers, angles are float32. The exponent's rounding error grows by ln(base).
        assert (np.abs(table - exact(angles)) <= 6e-8 * (1 + angles * (2 + np.log(base)))).all()


def test_no_rotated_dimension_makes_empty_tables() -> None:
    cos, sin = rotary_tables(8, 0, 10000.0)
    assert cos.shape == sin.shape == (8, 0)
