"""Symmetric absmax quantization of activations to int16."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.jit.declare import jit
from pythia_cli.kernels.simd import bits_from_float, float_from_bits


@jit
def absmax(x: Any) -> Any:
    """The largest |x| of x [n] float32, compared as integers: the bits of |x| are in order."""
    largest = np.int32(0)
    for i in range(x.shape[0]):
        largest = max(largest, np.int32(bits_from_float(x[i]) & np.int32(0x7FFFFFFF)))
    return float_from_bits(largest)


@jit
def quantize_row(x: Any, levels: Any, x_q: Any) -> Any:
    """x [d] ~ x_q [d] int16 * scale, |x_q| <= levels. Returns the scale: 0 if it is below 1e-37."""
    largest = absmax(x)
    scale = largest / np.float32(levels)
    if scale < np.float32(1e-37):
        x_q[:] = 0
        return np.float32(0.0)
    to_levels = np.float32(levels) / largest
    for i in range(x.shape[0]):
        x_q[i] = np.int16(np.int32(np.rint(x[i] * to_levels)))
    return scale


@jit
def quantize_rows(x: Any, levels: Any, x_q: Any, x_scales: Any, lo: Any, hi: Any) -> None:
    """x [n_tokens, d] ~ x_q [n_tokens, d] int16 * x_scales [n_tokens], tokens lo..hi."""
    for t in range(lo, hi):
        x_scales[t] = quantize_row(x[t], levels, x_q[t])
