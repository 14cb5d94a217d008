"""Linear layers: int8 weights, input quantized to int16, exact integer sums, then scaled."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pythia_cli.jit.declare import TIER, jit
from pythia_cli.jit.signature import (
    Floats1,
    Floats2,
    Int8s2,
    Int8s3,
    Int16s1,
    Int16s2,
    Int32s1,
    Int32s3,
    UInt8s2,
)
from pythia_cli.kernels.in_lanes import (
    BLOCK_BYTES,
    EXACT_BLOCK_BYTES,
    LEAST_IN_LANES,
    ROWS_IN_LANES,
    multiply_in_lanes,
)
from pythia_cli.kernels.quantize_rows import quantize_rows, quantize_rows_bytes
from pythia_cli.kernels.sizes import activation_levels
from pythia_cli.kernels.tiles.linear import (
    BYTE_OFFSET,
    BYTE_VECTOR,
    TILE_ROWS,
    VECTOR,
    dot,
    half_tile,
    linear_tile,
)


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


class ExactLinear(NamedTuple):
    """A Linear for activations of 16 bits.

    room [n] int16: for rows of weights in 16 bits, where tiles want them; or none.
    """

    weight: Int8s2
    scales: Floats1
    bias: Floats1
    room: Int16s1


class Quantized(NamedTuple):
    """A linear's input: x ~ q * scales, q [n_tokens, d_in] int16 and scales [n_tokens].

    lanes [n_groups, d_in / 2, LANES]: q of groups of tokens, as `pack` writes it; or none.
    halves [1, 2, d_in] and totals [1]: the high and low bytes of a single token, and the sum of its
    q, as `split` writes them; or none.
    """

    q: Int16s2
    scales: Floats1
    lanes: Int32s3
    halves: Int8s3
    totals: Int32s1


class ByteLinear(NamedTuple):
    """A Linear for activations of 8 bits: row_sums [d_out] are those of the int8 weights."""

    weight: Int8s2
    scales: Floats1
    bias: Floats1
    row_sums: Int32s1


class Bytes(NamedTuple):
    """A linear's input: x ~ (q - zeros) * scales, q [n_tokens, d_in] uint8.

    lanes [n_groups, d_in / 4, LANES]: as in Quantized.
    """

    q: UInt8s2
    scales: Floats1
    zeros: Int32s1
    lanes: Int32s3


_levels = jit(activation_levels)


@jit
def quantize_input(x: Any, out: Any, lo: Any, hi: Any) -> None:
    """out ~ x [n_tokens, d_in], with as many levels as int32 sums allow; tokens lo..hi.

    Rows of x may be longer than d_in.
    """
    quantize_rows(x, _levels(out.q.shape[1]), out.q, out.scales, lo, hi)


@jit
def quantize_bytes(x: Any, centre: Any, out: Any, lo: Any, hi: Any) -> None:
    """out ~ x [n_tokens, d_in] - centre [d_in], with 255 levels; tokens lo..hi.

    Rows of x may be longer than d_in.
    """
    quantize_rows_bytes(x, centre, out.q, out.scales, out.zeros, lo, hi)


@jit
def _exact(total: Any, linear: Any, x: Any, token: Any, row: Any) -> Any:
    return total


@jit
def _without_zero(total: Any, linear: Any, x: Any, token: Any, row: Any) -> Any:
    """The sum of products with q - zero, from that with q - BYTE_OFFSET."""
    zero = np.int32(x.zeros[token] - np.int32(BYTE_OFFSET))
    return np.int32(total - np.int32(zero * linear.row_sums[row]))


def _output(vector: int, offset: int, corrected: Any) -> Any:
    """One output of matmul. vector: the step of `dot`, or 0 to do without."""

    @jit
    def output(linear: Any, x: Any, token: Any, row: Any) -> Any:
        d_in = x.q.shape[1]
        k = 0
        if vector > 0:
            k = d_in - d_in % vector
        total = np.int32(0)
        if vector > 0 and k > 0:
            total = dot(linear.weight, row * d_in, x.q, token * d_in, k)
        for i in range(k, d_in):
            q = np.int32(np.int32(x.q[token, i]) - np.int32(offset))
            total = np.int32(total + np.int32(np.int32(linear.weight[row, i]) * q))
        total = corrected(total, linear, x, token, row)
        return np.float32(total) * (linear.scales[row] * x.scales[token]) + linear.bias[row]

    return output


def _row_by_row(output: Any) -> Any:
    """matmul for a row of weights at a time."""

    @jit
    def rows(linear: Any, x: Any, adds: Any, out: Any, lo: Any, hi: Any) -> None:
        for row in range(lo, hi):
            for token in range(x.q.shape[0]):
                value = output(linear, x, token, row)
                if adds:
                    out[token, row] += value
                else:
                    out[token, row] = value

    return rows


_FULL = TIER.n_tokens
_tile_full = linear_tile(_FULL, streams=False)
_tile_first = linear_tile(_FULL, streams=True)
_tile_4 = linear_tile(4, streams=True)
_tile_2 = linear_tile(2, streams=True)
_tile_1 = linear_tile(1, streams=True)


def _tiled(vector: int, rows: Any, in_lanes: Any, block_bytes: int) -> Any:
    """matmul in tiles of rows and tokens; `rows` does those left over.

    block_bytes: weights that all tokens use before the next.
    """

    @jit
    def tiled(linear: Any, x: Any, adds: Any, out: Any, lo: Any, hi: Any) -> None:
        n_tokens, d_in = x.q.shape
        d_out = out.shape[1]
        tiled_to = lo
        unit = ROWS_IN_LANES if n_tokens >= LEAST_IN_LANES else TILE_ROWS
        if d_in % vector == 0:
            tiled_to += (hi - lo) // unit * unit
        adds = adds != 0
        # A block of rows stays in the L2 cache while all tokens use it.
        block = max(block_bytes // d_in // unit, 1) * unit
        for block_lo in range(lo, tiled_to, block):
            block_hi = min(block_lo + block, tiled_to)
            token = in_lanes(linear, x, adds, out, block_lo, block_hi)
            while token < n_tokens:
                left = n_tokens - token
                if left >= _FULL and left != 8:
                    for row in range(block_lo, block_hi, TILE_ROWS):
                        if token == 0:
                            _tile_first(linear, row, x, token, d_in, adds, out, d_out)
                        else:
                            _tile_full(linear, row, x, token, d_in, adds, out, d_out)
                    token += _FULL
                elif left >= 4 and _FULL > 4:
                    for row in range(block_lo, block_hi, TILE_ROWS):
                        _tile_4(linear, row, x, token, d_in, adds, out, d_out)
                    token += 4
                elif left >= 2:
                    for row in range(block_lo, block_hi, TILE_ROWS):
                        _tile_2(linear, row, x, token, d_in, adds, out, d_out)
                    token += 2
                else:
                    for row in range(block_lo, block_hi, TILE_ROWS):
                        _tile_1(linear, row, x, token, d_in, adds, out, d_out)
                    token += 1
        rows(linear, x, adds, out, tiled_to, hi)

    return tiled


def _with_halves(others: Any) -> Any:
    """matmul that takes a single token's halves, if it has them; `others` does what is left."""

    @jit
    def with_halves(linear: Any, x: Any, adds: Any, out: Any, lo: Any, hi: Any) -> None:
        tiled_to = lo
        adds = adds != 0
        if x.q.shape[0] == 1 and x.halves.shape[0] == 1:
            d_in, d_out = x.q.shape[1], out.shape[1]
            tiled_to += (hi - lo) // TILE_ROWS * TILE_ROWS
            for row in range(lo, tiled_to, TILE_ROWS):
                half_tile(linear, row, x, 0, d_in, adds, out, d_out)
        others(linear, x, adds, out, tiled_to, hi)

    return with_halves


matmul_output = _output(VECTOR, 0, _exact)
byte_matmul_output = _output(BYTE_VECTOR, BYTE_OFFSET, _without_zero)
"""The output of `matmul`, or `byte_matmul`, for one token and row of weights, of the same bits."""

matmul_plain = _row_by_row(_output(0, 0, _exact))
"""`matmul` without tiles, for processors that have no tiles and for tests."""

byte_matmul_plain = _row_by_row(_output(0, BYTE_OFFSET, _without_zero))
"""`byte_matmul` without tiles."""

if TIER.vector:
    matmul = _tiled(
        VECTOR, _row_by_row(matmul_output), multiply_in_lanes(is_exact=True), EXACT_BLOCK_BYTES
    )
    byte_matmul = _tiled(
        BYTE_VECTOR, _row_by_row(byte_matmul_output), multiply_in_lanes(is_exact=False), BLOCK_BYTES
    )
    if TIER.has_halves:
        matmul = _with_halves(matmul)
else:
    matmul, byte_matmul = matmul_plain, byte_matmul_plain
"""out [n_tokens, d_out] = linear(x), or += if `adds`; outputs lo..hi.

`matmul` takes an ExactLinear and a Quantized x, `byte_matmul` a ByteLinear and Bytes. Integer sums
are exact, so tiles and threads do not change the result.
"""
