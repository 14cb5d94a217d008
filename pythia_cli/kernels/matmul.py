"""int8 weights times int16 activations, with float32 scales: out ~ x @ w.T."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.jit.declare import TIER, jit
from pythia_cli.kernels.tiles.linear import TILE_ROWS, dot, linear_tile


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
    lo: Any, hi: Any,
) -> None:  # fmt: skip
    """Row by row: the rows that fill no tile, and widths that fill no vector."""
    n_tokens, d_in = x_q.shape
    k = d_in - d_in % _VECTOR
    for row in range(lo, hi):
        for token in range(n_tokens):
            total = np.int32(0)
            if k > 0:
                total = dot(w_q8, row * d_in, x_q, token * d_in, k)
            if k < d_in:
                total = np.int32(total + _dot_from(w_q8, row, x_q, token, k))
            _put(total, w_scales[row] * x_scales[token], bias[row], adds, out, token, row)


_VECTOR, _FULL = TIER.vector, TIER.n_tokens
_tile_full = linear_tile(_FULL)
_tile_4 = linear_tile(4)
_tile_2 = linear_tile(2)
_tile_1 = linear_tile(1)
_BLOCK_BYTES = 256 * 1024


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
    """Tiles of rows and tokens. Blocks of rows stay in the second-level cache over all tokens."""
    n_tokens, d_in = x_q.shape
    d_out = out.shape[1]
    tiled_to = lo
    if d_in % _VECTOR == 0 and n_tokens > 1:
        tiled_to += (hi - lo) // TILE_ROWS * TILE_ROWS
    adds = adds != 0
    block = max(_BLOCK_BYTES // d_in // TILE_ROWS, 1) * TILE_ROWS
    for block_lo in range(lo, tiled_to, block):
        block_hi = min(block_lo + block, tiled_to)
        token = 0
        while token < n_tokens:
            left = n_tokens - token
            if left >= _FULL and left != 8:
                for row in range(block_lo, block_hi, TILE_ROWS):
                    _tile_full(w_q8, w_scales, row, x_q, x_scales, token, d_in, bias, adds,
                               out, d_out)  # fmt: skip
                token += _FULL
            elif left >= 4 and _FULL > 4:
                for row in range(block_lo, block_hi, TILE_ROWS):
                    _tile_4(w_q8, w_scales, row, x_q, x_scales, token, d_in, bias, adds,
                            out, d_out)  # fmt: skip
                token += 4
            elif left >= 2:
                for row in range(block_lo, block_hi, TILE_ROWS):
                    _tile_2(w_q8, w_scales, row, x_q, x_scales, token, d_in, bias, adds,
                            out, d_out)  # fmt: skip
                token += 2
            else:
                for row in range(block_lo, block_hi, TILE_ROWS):
                    _tile_1(w_q8, w_scales, row, x_q, x_scales, token, d_in, bias, adds,
                            out, d_out)  # fmt: skip
                token += 1
    _matmul_rows(w_q8, w_scales, x_q, x_scales, bias, adds, out, tiled_to, hi)


matmul = _matmul_tiled if TIER.vector else matmul_plain
"""out [n_tokens, d_out] (=, or += where `adds`) (x_q * x_scales) @ (w_q8 * w_scales).T + bias.

w_q8 [d_out, d_in] int8, w_scales [d_out], x_q [n_tokens, d_in] int16, x_scales [n_tokens],
bias [d_out]; rows lo..hi of w_q8. Integer sums are exact, so no bit depends on tiles or threads.
"""
