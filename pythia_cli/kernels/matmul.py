"""int8 weights times int16 activations, with float32 scales: out ~ x @ w.T."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.kernels import simd
from pythia_cli.kernels._jit import jit


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
    """The tile covers d_in down to a multiple of the vector; a plain loop does the rest."""
    n_tokens, d_in = x_q.shape
    k = d_in - d_in % simd.VECTOR
    sums = np.empty(simd.TILE_ROWS * simd.TILE_TOKENS, np.int32)
    n_tiled = n_tokens - n_tokens % simd.TILE_TOKENS
    row = lo
    while row < hi:
        n_rows = simd.TILE_ROWS if row + simd.TILE_ROWS <= hi and n_tiled > 0 else 1
        token = 0
        while token < n_tokens:
            n_columns = simd.TILE_TOKENS if token < n_tiled else 1
            # A lone column repeats the one-by-one dot for each row of the tile.
            for first in range(row, row + n_rows, n_rows if n_columns > 1 else 1):
                rows_here = n_rows if n_columns > 1 else 1
                if k == 0:
                    sums[: rows_here * n_columns] = 0
                elif n_columns == 1:
                    simd.dot_one(w_q8, first * d_in, x_q, token * d_in, d_in, d_in, k, sums)
                elif rows_here == 1:
                    simd.dot_row(w_q8, first * d_in, x_q, token * d_in, d_in, d_in, k, sums)
                else:
                    simd.dot_tile(w_q8, first * d_in, x_q, token * d_in, d_in, d_in, k, sums)
                for r in range(rows_here):
                    for t in range(n_columns):
                        total = sums[r * n_columns + t]
                        for i in range(k, d_in):
                            total = np.int32(
                                total
                                + np.int32(
                                    np.int32(w_q8[first + r, i]) * np.int32(x_q[token + t, i])
                                )
                            )
                        value = np.float32(total) * (w_scales[first + r] * x_scales[token + t])
                        value += bias[first + r]
                        if adds:
                            out[token + t, first + r] += value
                        else:
                            out[token + t, first + r] = value
            token += n_columns
        row += n_rows


def _matmul_plain(
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
    """The loop that LLVM's vectoriser turns into widening multiply-adds on ARM."""
    n_tokens, d_in = x_q.shape
    for row in range(lo, hi):
        for token in range(n_tokens):
            total = np.int32(0)
            for i in range(d_in):
                total = np.int32(total + np.int32(np.int32(w_q8[row, i]) * np.int32(x_q[token, i])))
            value = np.float32(total) * (w_scales[row] * x_scales[token]) + bias[row]
            if adds:
                out[token, row] += value
            else:
                out[token, row] = value


matmul_plain = jit(_matmul_plain)
matmul = jit(_matmul_tiled) if simd.VECTOR else matmul_plain
"""out [n_tokens, d_out] (=, or += where `adds`) (x_q * x_scales) @ (w_q8 * w_scales).T + bias.

w_q8 [d_out, d_in] int8, w_scales [d_out], x_q [n_tokens, d_in] int16, x_scales [n_tokens],
bias [d_out]; rows lo..hi of w_q8. Integer sums are exact, so no bit depends on tiles or threads.
"""
