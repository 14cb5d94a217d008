"""Rounds weights so that their errors, added up over typical inputs, cancel out.

For inputs x with H = E[x x^T] = L L^T, an error e of a row of weights changes its output by
e^T H e = |L^T e|^2 on average. Its weights are rounded from the last to the first. Each is first
moved by what makes up for the errors of those after it. This is Babai's nearest plane, and gives
what GPTQ (Frantar et al. 2023) gives for the columns in reverse; without an inverse of H.
"""

from __future__ import annotations

import numpy as np

from pythia_cli.jit.declare import kernel
from pythia_cli.jit.signature import Doubles2, Floats1, Floats2, Floats3, Int8s2
from pythia_cli.kernels.sizes import COLUMNS_TOGETHER, ELIMINATED_TOGETHER, FEEDBACK_ROWS, LANES
from pythia_cli.kernels.tiles.columns import put_rows, take_columns
from pythia_cli.kernels.tiles.errors import add_errors, round_column


@kernel
def find_feedback(h: Doubles2, columns: Doubles2, feedback: Floats2) -> None:
    """feedback[k, i] = L[k, i] / L[i, i] for i < k, and 0 for the others; h [d, d] = L L^T.

    h is positive definite, and overwritten; columns [ELIMINATED_TOGETHER, d] is scratch. Every sum
    has a fixed order, so the bits are the same on all processors.
    """
    d = h.shape[0]
    for start in range(0, d, ELIMINATED_TOGETHER):
        end = min(start + ELIMINATED_TOGETHER, d)
        for j in range(start, end):
            for c in range(j - start):
                factor = columns[c, j]
                for k in range(j, d):
                    h[k, j] -= columns[c, k] * factor
            pivot = np.sqrt(h[j, j])
            for k in range(j, d):
                columns[j - start, k] = h[k, j] / pivot
            for k in range(j + 1):
                feedback[k, j] = np.float32(0.0)
            for k in range(j + 1, d):
                feedback[k, j] = np.float32(columns[j - start, k] / pivot)
        for k in range(end, d):  # if any are left, there were ELIMINATED_TOGETHER columns
            row = h[k]
            for i in range(end, k + 1):
                value = row[i]
                for c in range(ELIMINATED_TOGETHER):
                    value -= columns[c, k] * columns[c, i]
                row[i] = value


@kernel
def round_with_feedback(
    w: Floats2, scales: Floats1, feedback: Floats2, room: Floats3, q: Int8s2, lo: int, hi: int
) -> None:
    """q ~ w / scales for rows lo..hi of w [d_out, d_in], rounded with feedback [d_in, d_in].

    Without feedback, as quantize_weights rounds. Levels beyond 127 are clipped; q is 0 where the
    scale is. room [3, at least d_in and COLUMNS_TOGETHER + 2, FEEDBACK_ROWS] is scratch.
    """
    d_in = w.shape[1]
    own, moved = room[0], room[1]
    own_scales, per_scales, errors = room[2, 0], room[2, 1], room[2, 2 : 2 + COLUMNS_TOGETHER]
    for first in range(lo, hi, FEEDBACK_ROWS):
        n = min(FEEDBACK_ROWS, hi - first)
        for r in range(FEEDBACK_ROWS):
            scale = scales[first + min(r, n - 1)]
            own_scales[r] = scale
            per_scales[r] = np.float32(0.0)
            if scale > np.float32(0.0):
                per_scales[r] = np.float32(1.0) / scale
        # In squares, whose lines stay in the cache. Rows that there are not are done in vain.
        for start in range(0, d_in, LANES):
            if start + LANES <= d_in:
                take_columns(w, first, n, start, own, moved)
            else:
                for r in range(FEEDBACK_ROWS):
                    for i in range(start, d_in):
                        own[i, r] = w[first + min(r, n - 1), i]
                        moved[i, r] = own[i, r]
        # Several columns at a time: their errors reach the others in one pass, in the same order.
        for end in range(d_in, 0, -COLUMNS_TOGETHER):
            k, n_columns = end - 1, min(COLUMNS_TOGETHER, end)
            for c in range(n_columns):
                add_errors(moved, errors, feedback, k, c, k - c, k - c + 1)
                round_column(own, moved, k - c, own_scales, per_scales, errors, c)
            add_errors(moved, errors, feedback, k, n_columns, 0, end - n_columns)
        for start in range(0, d_in, LANES):
            if start + LANES <= d_in and n == FEEDBACK_ROWS:
                put_rows(moved, start, q, first)
            else:
                for r in range(n):
                    for i in range(start, min(start + LANES, d_in)):
                        q[first + r, i] = np.int8(np.int32(moved[i, r]))
