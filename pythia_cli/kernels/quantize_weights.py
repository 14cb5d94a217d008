"""Quantizes rows of a float matrix to int8, each with the scale of least squared error."""

from __future__ import annotations

import numpy as np

from pythia_cli.jit.declare import kernel
from pythia_cli.jit.signature import Floats1, Floats2, Int8s2
from pythia_cli.kernels.quantize_rows import absmax
from pythia_cli.kernels.tiles.scales import SCALES_TOGETHER, squared_errors

_MARGIN = np.float32(0.999)  # a bound is rounded: this is far more than its roundings


@kernel
def quantize_weights(
    w: Floats2, candidates: Floats1, room: Floats2, q: Int8s2, scales: Floats1, lo: int, hi: int
) -> None:
    """w [d_out, d_in] float32 ~ q [d_out, d_in] int8 * scales [d_out]; |q| <= 127; rows lo..hi.

    The scale of a row is the one of candidates * absmax / 127 with the least squared error. Levels
    beyond 127 are clipped. Scales below 1e-37 are not tried; if none is left, as for a row of
    zeros, the scale is 0. There are at least SCALES_TOGETHER candidates, from 1 down; room
    [2, n_candidates] is scratch.
    """
    d_in, n = w.shape[1], candidates.shape[0]
    per_scales, errors = room[0], room[1]
    for row in range(lo, hi):
        largest = absmax(w[row])
        for c in range(n):
            per_scales[c] = np.float32(1.0) / (candidates[c] * largest / np.float32(127.0))
        best_scale, best_error = np.float32(0.0), np.float32(np.inf)
        for start in range(0, n, SCALES_TOGETHER):
            first = min(start, n - SCALES_TOGETHER)
            # Each following candidate clips the largest weight more. Its error alone is a bound.
            clipped = (largest * per_scales[first] - np.float32(127.0)) * candidates[first]
            if clipped * clipped * _MARGIN > best_error:
                break
            squared_errors(w[row], d_in, per_scales, first, errors)
            for c in range(first, first + SCALES_TOGETHER):
                scale = candidates[c] * largest / np.float32(127.0)
                # Relative to absmax / 127, so that large weights do not overflow when squared.
                squared = errors[c] * (candidates[c] * candidates[c])
                if scale >= np.float32(1e-37) and squared < best_error:
                    best_scale, best_error = scale, squared
        scales[row] = best_scale
        per_scale = np.float32(0.0)
        if best_scale > np.float32(0.0):
            per_scale = np.float32(1.0) / best_scale
        for i in range(d_in):
            level = np.rint(w[row, i] * per_scale)
            level = min(max(level, np.float32(-127.0)), np.float32(127.0))
            q[row, i] = np.int8(np.int32(level))
