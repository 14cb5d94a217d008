"""Quantization of activations: symmetric to int16, or to uint8 with a zero point."""

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
        x_scales[t] = quantize_row(x[t, : x_q.shape[1]], levels, x_q[t])


_SIGN = np.int32(0x7FFFFFFF)


@jit
def _ordered(value: Any) -> Any:
    """An int32 in the order of float32s. LLVM has vectors for the least of ints, not of floats."""
    bits = bits_from_float(value)
    return np.int32(bits ^ (np.int32(bits >> np.int32(31)) & _SIGN))


@jit
def _from_ordered(key: Any) -> Any:
    return float_from_bits(np.int32(key ^ (np.int32(key >> np.int32(31)) & _SIGN)))


@jit
def quantize_row_bytes(x: Any, centre: Any, x_q: Any) -> Any:
    """x - centre [d] ~ (x_q - zero) * scale, x_q [d] uint8. Returns scale and zero.

    The 255 levels span the values and 0. The scale is 0 if it is below 1e-37.
    """
    least, largest = np.int32(0), np.int32(0)
    for i in range(x.shape[0]):
        key = _ordered(x[i] - centre[i])
        least, largest = min(least, key), max(largest, key)
    low = _from_ordered(least)
    width = _from_ordered(largest) - low
    scale = width / np.float32(255)
    if scale < np.float32(1e-37):
        x_q[:] = 0
        return np.float32(0.0), np.int32(0)
    to_levels = np.float32(255) / width
    zero = np.int32(np.rint(-low * to_levels))
    for i in range(x.shape[0]):
        level = np.int32(np.int32(np.rint((x[i] - centre[i]) * to_levels)) + zero)
        x_q[i] = np.uint8(min(max(level, np.int32(0)), np.int32(255)))
    return scale, zero


@jit
def quantize_rows_bytes(
    x: Any, centre: Any, x_q: Any, scales: Any, zeros: Any, lo: Any, hi: Any
) -> None:
    """x - centre ~ (x_q - zeros) * scales: x [n_tokens, d], centre [d], tokens lo..hi."""
    for t in range(lo, hi):
        scales[t], zeros[t] = quantize_row_bytes(x[t, : x_q.shape[1]], centre, x_q[t])
