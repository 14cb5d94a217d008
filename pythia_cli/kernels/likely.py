"""Logits from inputs of 8 bits; and of the likely ones, from inputs of 16."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.jit.declare import jit
from pythia_cli.kernels.simd import least_lane_maximum
from pythia_cli.kernels.sizes import LANES, ROWS_TOGETHER
from pythia_cli.kernels.tiles.linear import BYTE_OFFSET, BYTE_VECTOR
from pythia_cli.kernels.tiles.rows import dots_of_rows

_RESIDUAL_ZERO = 128
_RESIDUAL_STEPS = np.float32(256)


@jit
def find_residual(x: Any, centre: Any, coarse: Any, residual: Any, lo: Any, hi: Any) -> None:
    """What quantize_bytes left of x - centre, in 256ths of its steps; tokens lo..hi.

    x - centre ~ (q - zero + (residual - 128) / 256) * scale: residual [n_tokens, d] uint8. Rows of
    x may be longer than d.
    """
    for t in range(lo, hi):
        scale, zero = coarse.scales[t], coarse.zeros[t]
        to_steps = np.float32(0.0)
        if scale > np.float32(0.0):
            to_steps = np.float32(1.0) / scale
        for i in range(coarse.q.shape[1]):
            level = np.float32(np.int32(coarse.q[t, i]) - zero)
            left = (x[t, i] - centre[i]) * to_steps - level
            step = np.int32(np.int32(np.rint(left * _RESIDUAL_STEPS)) + np.int32(_RESIDUAL_ZERO))
            residual[t, i] = np.uint8(min(max(step, np.int32(0)), np.int32(255)))


@jit
def find_likely(z: Any, found: Any) -> Any:
    """Which of a piece of logits are large: their places in `found`. Returns their number.

    Those at least as large as the least of LANES maxima, the i-th of which is that of z[i],
    z[i + LANES], ..: on average 50 of 512, at least the LANES largest. All, if there are
    fewer than LANES. Not NaN. found [len(z)] is overwritten.
    """
    n = z.shape[0]
    least = np.float32(-np.inf)
    if n >= LANES:
        least = least_lane_maximum(z, n - n % LANES)
    n_found = 0
    for i in range(n):
        found[n_found] = i
        n_found += z[i] >= least
    return n_found


@jit
def refine(
    linear: Any, coarse: Any, residual: Any, token: Any, rows: Any, n: Any, sums: Any, z: Any
) -> None:
    """z[row] += sum_i weight[row, i] (residual[token, i] - 128) scales[row] coarse.scales / 256.

    For rows[:n] of a ByteLinear, with the residual [n_tokens, d] of find_residual. rows and sums
    have room for whole ROWS_TOGETHER; what follows the n rows is overwritten.
    """
    d_in = residual.shape[1]
    k = 0
    if BYTE_VECTOR > 0:
        k = d_in - d_in % BYTE_VECTOR
    end = n
    while end % ROWS_TOGETHER:
        rows[end] = rows[0]
        end += 1
    for first in range(0, end, ROWS_TOGETHER):
        for i in range(first, first + ROWS_TOGETHER):
            sums[i] = 0
        if BYTE_VECTOR > 0 and k > 0:
            dots_of_rows(linear.weight, rows, first, residual, token * d_in, d_in, k, sums)
    scale = coarse.scales[token] / _RESIDUAL_STEPS
    for i in range(n):
        row, total = rows[i], sums[i]
        for j in range(k, d_in):
            left = np.int32(np.int32(residual[token, j]) - np.int32(BYTE_OFFSET))
            total = np.int32(total + np.int32(np.int32(linear.weight[row, j]) * left))
        zero = np.int32(_RESIDUAL_ZERO - BYTE_OFFSET)
        total = np.int32(total - np.int32(zero * linear.row_sums[row]))
        z[row] += np.float32(total) * (linear.scales[row] * scale)
