"""int8 weights times int16 activations, with float32 scales: out ~ x @ w.T."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.kernels import simd
from pythia_cli.kernels._jit import jit


@jit
def _put(total: Any, scale: Any, bias: Any, adds: Any, out: Any, token: Any, row: Any) -> None:
    value = np.float32(total) * scale + bias
    if adds:
        out[token, row] += value
    else:
        out[token, row] = value


@jit
def _dot_from(w_q8: Any, row: Any, x_q: Any, token: Any, first: Any) -> Any:
    """The sum over inputs first.., in the loop that LLVM's vectoriser knows as multiply-add."""
    total = np.int32(0)
    for i in range(first, w_q8.shape[1]):
        total = np.int32(total + np.int32(np.int32(w_q8[row, i]) * np.int32(x_q[token, i])))
    return total


@jit
def matmul_plain(
    w_q8: Any,
    w_scales: Any,
    x_q: Any,
    x_scales: Any,
    bias: Any,
    adds: Any,
    out: Any,
    lo: Any,
    hi: Any,
) -> None:
    """What `matmul` does, without tiles: for processors that have none, and as its twin."""
    for row in range(lo, hi):
        for token in range(x_q.shape[0]):
            total = _dot_from(w_q8, row, x_q, token, 0)
            _put(total, w_scales[row] * x_scales[token], bias[row], adds, out, token, row)


@jit
def _matmul_rows(
    w_q8: Any, w_scales: Any, x_q: Any, x_scales: Any, bias: Any, adds: Any, out: Any,
    lo: Any, hi: Any, first_token: Any,
) -> None:  # fmt: skip
    """Row by row, each streamed from memory once: decoding, and what the tiles leave over."""
    n_tokens, d_in = x_q.shape
    k = d_in - d_in % simd.VECTOR
    for row in range(lo, hi):
        for token in range(first_token, n_tokens):
            total = np.int32(0)
            if k > 0:
                total = simd.dot(w_q8, row * d_in, x_q, token * d_in, k)
            if k < d_in:
                total = np.int32(total + _dot_from(w_q8, row, x_q, token, k))
            _put(total, w_scales[row] * x_scales[token], bias[row], adds, out, token, row)


@jit
def _matmul_tiled(
    w_q8: Any,
    w_scales: Any,
    x_q: Any,
    x_scales: Any,
    bias: Any,
    adds: Any,
    out: Any,
    lo: Any,
    hi: Any,
) -> None:
    """Tiles of rows and tokens, as many as there are whole ones; the rest row by row."""
    n_tokens, d_in = x_q.shape
    k = d_in - d_in % simd.VECTOR
    n_tiled = n_tokens - n_tokens % simd.TILE_TOKENS if k > 0 else 0
    tiled_to = lo + (hi - lo) // simd.TILE_ROWS * simd.TILE_ROWS if n_tiled > 0 else lo
    sums = np.empty((simd.TILE_ROWS, simd.TILE_TOKENS), np.int32)
    for first in range(lo, tiled_to, simd.TILE_ROWS):
        for token in range(0, n_tiled, simd.TILE_TOKENS):
            simd.dot_tile(w_q8, first * d_in, x_q, token * d_in, d_in, k, sums)
            for r in range(simd.TILE_ROWS):
                row = first + r
                for t in range(simd.TILE_TOKENS):
                    total = sums[r, t]
                    if k < d_in:
                        total = np.int32(total + _dot_from(w_q8, row, x_q, token + t, k))
                    scale = w_scales[row] * x_scales[token + t]
                    _put(total, scale, bias[row], adds, out, token + t, row)
        if n_tiled < n_tokens:
            _matmul_rows(w_q8, w_scales, x_q, x_scales, bias, adds, out,
                         first, first + simd.TILE_ROWS, n_tiled)  # fmt: skip
    _matmul_rows(w_q8, w_scales, x_q, x_scales, bias, adds, out, tiled_to, hi, 0)


matmul = _matmul_tiled if simd.VECTOR else matmul_plain
"""out [n_tokens, d_out] (=, or += where `adds`) (x_q * x_scales) @ (w_q8 * w_scales).T + bias.

w_q8 [d_out, d_in] int8, w_scales [d_out], x_q [n_tokens, d_in] int16, x_scales [n_tokens],
bias [d_out]; rows lo..hi of w_q8. Integer sums are exact, so no bit depends on tiles or threads.
"""
