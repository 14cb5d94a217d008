"""Linear layers: int8 weights, input quantized to int16, exact integer sums, then scaled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pythia_cli.jit.declare import TIER, jit
from pythia_cli.jit.signature import Floats1, Floats2, Int8s2, Int8s3, Int16s2
from pythia_cli.kernels.quantize_rows import quantize_rows
from pythia_cli.kernels.sizes import activation_levels
from pythia_cli.kernels.tiles.linear import TILE_ROWS, dot, linear_tile


class Linear(NamedTuple):
    """y = x (weight * scales)^T + bias: weight [d_out, d_in] int8, scales and bias [d_out]."""

    weight: Int8s2
    scales: Floats1
    bias: Floats1


class Linears(NamedTuple):
    """The same linear of all layers, with layers as the first axis."""

    weight: Int8s3
    scales: Floats2
    bias: Floats2


class Quantized(NamedTuple):
    """A linear's input: x ~ q * scales, q [n_tokens, d_in] int16 and scales [n_tokens]."""

    q: Int16s2
    scales: Floats1


_levels = jit(activation_levels)


@jit
def quantize_input(x: Any, out: Any, lo: Any, hi: Any) -> None:
    """out ~ x [n_tokens, d_in], with as many levels as int32 sums allow; tokens lo..hi."""
    quantize_rows(x, _levels(x.shape[1]), out.q, out.scales, lo, hi)


@jit
def _put(total: Any, scale: Any, bias: Any, adds: Any, out: Any, token: Any, row: Any) -> None:
    value = np.float32(total) * scale + bias
    if adds:
        out[token, row] += value
    else:
        out[token, row] = value


@jit
def _dot_from(w_q8: Any, row: Any, x_q: Any, token: Any, first: Any) -> Any:
    """The dot product from input `first` on, in a form that LLVM vectorises as multiply-add."""
    total = np.int32(0)
    for i in range(first, w_q8.shape[1]):
        total = np.int32(total + np.int32(np.int32(w_q8[row, i]) * np.int32(x_q[token, i])))
    return total


@jit
def matmul_plain(linear: Any, x: Any, adds: Any, out: Any, lo: Any, hi: Any) -> None:
    """`matmul` without tiles, for processors that have no tiles and for tests."""
    for row in range(lo, hi):
        for token in range(x.q.shape[0]):
            total = _dot_from(linear.weight, row, x.q, token, 0)
            _put(
                total, linear.scales[row] * x.scales[token], linear.bias[row], adds, out, token, row
            )


@jit
def _matmul_rows(linear: Any, x: Any, adds: Any, out: Any, lo: Any, hi: Any) -> None:
    """Row by row, for rows left over from tiles, and if d_in is not a multiple of the vector."""
    w, scales, bias = linear
    n_tokens, d_in = x.q.shape
    k = d_in - d_in % _VECTOR
    for row in range(lo, hi):
        for token in range(n_tokens):
            total = np.int32(0)
            if k > 0:
                total = dot(w, row * d_in, x.q, token * d_in, k)
            if k < d_in:
                total = np.int32(total + _dot_from(w, row, x.q, token, k))
            _put(total, scales[row] * x.scales[token], bias[row], adds, out, token, row)


_VECTOR, _FULL = TIER.vector, TIER.n_tokens
_tile_full = linear_tile(_FULL)
_tile_4 = linear_tile(4)
_tile_2 = linear_tile(2)
_tile_1 = linear_tile(1)
_BLOCK_BYTES = 256 * 1024


@jit
def _matmul_tiled(linear: Any, x: Any, adds: Any, out: Any, lo: Any, hi: Any) -> None:
    """Tiles of rows and tokens. A block of rows stays in the L2 cache while all tokens use it."""
    w, scales, bias = linear
    x_q, x_scales = x
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
                    _tile_full(w, scales, row, x_q, x_scales, token, d_in, bias, adds, out, d_out)
                token += _FULL
            elif left >= 4 and _FULL > 4:
                for row in range(block_lo, block_hi, TILE_ROWS):
                    _tile_4(w, scales, row, x_q, x_scales, token, d_in, bias, adds, out, d_out)
                token += 4
            elif left >= 2:
                for row in range(block_lo, block_hi, TILE_ROWS):
                    _tile_2(w, scales, row, x_q, x_scales, token, d_in, bias, adds, out, d_out)
                token += 2
            else:
                for row in range(block_lo, block_hi, TILE_ROWS):
                    _tile_1(w, scales, row, x_q, x_scales, token, d_in, bias, adds, out, d_out)
                token += 1
    _matmul_rows(linear, x, adds, out, tiled_to, hi)


matmul = _matmul_tiled if TIER.vector else matmul_plain
"""out [n_tokens, d_out] = linear(x), or += if `adds`, for a Quantized x; outputs lo..hi.

Integer sums are exact, so tiles and threads do not change the result.
"""
