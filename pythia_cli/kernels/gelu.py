"""The exact GELU, x * Phi(x). erf is a rational function, so that it vectorises."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.jit.declare import jit


@jit
def erf(x: Any) -> Any:
    """erf of a float32, with an error of about 3e-7: x P(x^2) / Q(x^2) on [-3.83, 3.83].

    The coefficients are those of XLA's and Eigen's float32 erf (Apache-2.0).
    """
    z = min(max(x, np.float32(-3.832506856900711)), np.float32(3.832506856900711))
    s = z * z
    p = np.float32(0.00022905065861350646)
    p = p * s + np.float32(0.0034082910107109506)
    p = p * s + np.float32(0.050955695062380861)
    p = p * s + np.float32(0.18520832239976145)
    p = p * s + np.float32(1.128379143519084)
    q = np.float32(-1.1791602954361697e-7)
    q = q * s + np.float32(0.000023547966471313185)
    q = q * s + np.float32(0.0010179625278914885)
    q = q * s + np.float32(0.014070470171167667)
    q = q * s + np.float32(0.11098505178285362)
    q = q * s + np.float32(0.49746925110067538)
    q = q * s + np.float32(1.0)
    return z * p / q


@jit
def gelu(x: Any, lo: Any, hi: Any) -> None:
    """x [n_tokens, d] *= Phi(x) in place, columns lo..hi (Hendrycks and Gimpel 2016, exact)."""
    for t in range(x.shape[0]):
        # Sliced because possibly negative indices would prevent vectorisation.
        row = x[t, lo:hi]
        for i in range(row.shape[0]):
            z = row[i] * np.float32(0.7071067811865476)
            row[i] = np.float32(0.5) * row[i] * (np.float32(1.0) + erf(z))
