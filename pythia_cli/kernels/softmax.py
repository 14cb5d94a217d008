"""Vectorised exponentials, softmax over a row, and sampling from a row."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.jit.declare import jit, kernel
from pythia_cli.jit.signature import Doubles1, Floats1, Int64s1
from pythia_cli.kernels.simd import bits_from_float, float_from_bits, lane_sum
from pythia_cli.kernels.sizes import (
    EXP_POLYNOMIAL,
    LEAST_EXPONENT,
    LN2_HIGH,
    LN2_LOW,
    LOG2_E,
    LOGITS_PIECE,
)

_LEAST, _LOG2_E = np.float32(LEAST_EXPONENT), np.float32(LOG2_E)
_LN2_HIGH, _LN2_LOW = np.float32(LN2_HIGH), np.float32(LN2_LOW)
_P = tuple(np.float32(coefficient) for coefficient in EXP_POLYNOMIAL)
_ALL_BUT_SIGN = np.int32(0x7FFFFFFF)


@jit
def exp_nonpositive(x: Any) -> Any:
    """exp of a float32 x <= 0, with an error of 2 ulp. 0 from -87 down; NaN stays NaN.

    As expf of Cephes: 2^n times a polynomial.
    """
    z = x if x > _LEAST else _LEAST
    n = np.rint(z * _LOG2_E)
    r = z - n * _LN2_HIGH
    r = r - n * _LN2_LOW
    p = _P[0]
    p = p * r + _P[1]
    p = p * r + _P[2]
    p = p * r + _P[3]
    p = p * r + _P[4]
    p = p * r + _P[5]
    p = p * r * r + r + np.float32(1.0)
    value = p * float_from_bits(np.int32((np.int32(n) + np.int32(127)) << np.int32(23)))
    if x <= _LEAST:
        value = np.float32(0.0)
    return value if x == x else x


@jit
def largest_of(x: Any, n: Any) -> Any:
    """max(x[:n]) of float32, n >= 1, compared as integers in the order of the floats."""
    largest = np.int32(-(2**31))
    for i in range(n):
        bits = bits_from_float(x[i])
        largest = max(largest, np.int32(bits ^ np.int32((bits >> np.int32(31)) & _ALL_BUT_SIGN)))
    return float_from_bits(np.int32(largest ^ np.int32((largest >> np.int32(31)) & _ALL_BUT_SIGN)))


@jit
def softmax(scores: Any, n: Any) -> None:
    """scores[:n] = exp(scores - max) / sum, in place (float32)."""
    largest = largest_of(scores, n)
    for i in range(n):
        scores[i] = exp_nonpositive(scores[i] - largest)
    scale = np.float32(1.0) / lane_sum(scores, n)
    for i in range(n):
        scores[i] *= scale


@kernel
def exponentials(logits: Floats1, factor: float, out: Floats1, total: Doubles1) -> None:
    """out = exp((logits - max) * factor), both [d_vocab] float32; total [1] float64 = their sum.

    factor is rounded to float32.
    """
    d_vocab = logits.shape[0]
    scale = np.float32(factor)
    largest = largest_of(logits, d_vocab)
    for i in range(d_vocab):
        out[i] = exp_nonpositive((logits[i] - largest) * scale)
    total[0] = np.float64(0.0)
    for first in range(0, d_vocab, LOGITS_PIECE):
        piece = out[first : first + LOGITS_PIECE]
        total[0] += np.float64(lane_sum(piece, piece.shape[0]))


@kernel
def draw(weights: Floats1, fraction: float, drawn: Int64s1) -> None:
    """drawn [1] = the first i for which sum(weights[: i + 1]) > fraction * sum(weights).

    0 <= fraction < 1. weights [n] float32, not all 0. Sums are float64, in order.
    """
    total = np.float64(0.0)
    for i in range(weights.shape[0]):
        total += np.float64(weights[i])
    reached = np.float64(0.0)
    last = 0
    for i in range(weights.shape[0]):
        if weights[i] > np.float32(0.0):
            last = i
            reached += np.float64(weights[i])
            if reached > fraction * total:
                break
    drawn[0] = last
