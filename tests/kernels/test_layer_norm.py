"""Layer norm of what overflows. The table of twins has the rest."""

from __future__ import annotations

import numpy as np
import pytest

from pythia_cli.kernels.layer_norm import Norm, layer_norm


@pytest.mark.parametrize("value", [1e25, np.inf, np.nan])
def test_a_variance_that_overflows_is_not_hidden(value: float) -> None:
    x = np.tile(np.linspace(-1, 1, 20, dtype=np.float32), (3, 1))
    x[1, 7] = value
    out = np.zeros_like(x)
    norm = Norm(np.ones(20, np.float32), np.zeros(20, np.float32))
    layer_norm(norm, x, 1e-5, out, 0, 3)
    assert np.isnan(out[1]).all()
    assert np.isfinite(out[[0, 2]]).all()
