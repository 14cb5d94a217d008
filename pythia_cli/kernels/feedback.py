"""Rounds weights so that their errors, added up over typical inputs, cancel out.

For inputs x with H = E[x x^T] = L L^T, an error e of a row of weights changes its output by
e^T H e = |L^T e|^2 on average. Its weights are rounded from the last to the first. Each is first
moved by what makes up for the errors of those after it. This is Babai's nearest plane, and gives
what GPTQ (Frantar et al. 2023) gives for the columns in reverse; without an inverse of H.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.jit.declare import jit, kernel
from pythia_cli.jit.signature import Doubles1, Doubles2, Floats1, Floats2, Floats3, Int8s2
from pythia_cli.kernels.sizes import COLUMNS_TOGETHER, FEEDBACK_ROWS, LANES
from pythia_cli.kernels.tiles.errors import add_errors


@kernel
def find_feedback(h: Doubles2, column: Doubles1, feedback: Floats2) -> None:
    """feedback[k, i] = L[k, i] / L[i, i] for i < k, and 0 for the others; h [d, d] = L L^T.

    h is positive definite, and overwritten; column [d] is scratch. Every sum has a fixed order, so
    the bits are the same on all processors.
    """
    d = h.shape[0]
    for j in range(d):
        pivot = np.sqrt(h[j, j])
        for k in range(j, d):
            column[k] = h[k, j] / pivot
        for k in range(d):
            feedback[k, j] = np.float32(0.0)
        for k in range(j + 1, d):
            feedback[k, j] = np.float32(column[k] / pivot)
            row, factor = h[k], column[k]
            for i in range(j + 1, k + 1):
                row[i] -= factor * column[i]


@jit
def _round_column(k: Any, w: Any, scales: Any, moved: Any, levels: Any, errors: Any) -> None:
    """levels[k] ~ moved[k] / scales; errors = what that leaves in w[k]; each for FEEDBACK_ROWS."""
    for r in range(FEEDBACK_ROWS):
        per_scale = np.float32(0.0)
        if scales[r] > np.float32(0.0):
            per_scale = np.float32(1.0) / scales[r]
        level = np.rint(moved[k, r] * per_scale)
        level = min(max(level, np.float32(-127.0)), np.float32(127.0))
        levels[k, r] = level
        errors[r] = w[k, r] - level * scales[r]


@jit
def _add_error(lo: Any, hi: Any, errors: Any, back: Any, moved: Any) -> None:
    """moved[i] += errors * back[i] for i in lo..hi: those of one column."""
    for i in range(lo, hi):
        for r in range(FEEDBACK_ROWS):
            moved[i, r] += errors[r] * back[i]


@kernel
def round_with_feedback(
    w: Floats2, scales: Floats1, feedback: Floats2, room: Floats3, q: Int8s2, lo: int, hi: int
) -> None:
    """q ~ w / scales for rows lo..hi of w [d_out, d_in], rounded with feedback [d_in, d_in].

    Without feedback, as quantize_weights rounds. Levels beyond 127 are clipped; q is 0 where the
    scale is. room [4, at least d_in and COLUMNS_TOGETHER + 1, FEEDBACK_ROWS] is scratch.
    """
    d_in = w.shape[1]
    own, moved, levels = room[0], room[1], room[2]
    own_scales, errors = room[3, 0], room[3, 1 : 1 + COLUMNS_TOGETHER]
    for first in range(lo, hi, FEEDBACK_ROWS):
        n = min(FEEDBACK_ROWS, hi - first)
        for r in range(FEEDBACK_ROWS):
            own_scales[r] = scales[first + min(r, n - 1)]
        for start in range(0, d_in, LANES):  # in squares, whose lines stay in the cache
            for r in range(FEEDBACK_ROWS):
                row = first + min(r, n - 1)  # those that there are not are done in vain
                for i in range(start, min(start + LANES, d_in)):
                    own[i, r] = w[row, i]
                    moved[i, r] = w[row, i]
        k = d_in - 1
        # Several columns at a time: their errors reach the others in one pass, in the same order.
        while k >= COLUMNS_TOGETHER - 1:
            for c in range(COLUMNS_TOGETHER):
                _round_column(k - c, own, own_scales, moved, levels, errors[c])
                _add_error(k - COLUMNS_TOGETHER + 1, k - c, errors[c], feedback[k - c], moved)
            add_errors(moved, errors, feedback, k, k - COLUMNS_TOGETHER + 1)
            k -= COLUMNS_TOGETHER
        while k >= 0:
            _round_column(k, own, own_scales, moved, levels, errors[0])
            _add_error(0, k, errors[0], feedback[k], moved)
            k -= 1
        for start in range(0, d_in, LANES):
            for r in range(n):
                for i in range(start, min(start + LANES, d_in)):
                    q[first + r, i] = np.int8(np.int32(levels[i, r]))
