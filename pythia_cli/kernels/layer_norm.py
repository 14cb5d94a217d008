"""Layer norm over the last axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.jit.declare import jit
from pythia_cli.kernels.simd import lane_dot, lane_sum


@jit
def layer_norm(x: Any, weight: Any, bias: Any, eps: Any, out: Any, lo: Any, hi: Any) -> None:
    """out [n_tokens, d] = (x - mean) / sqrt(variance + eps) * weight + bias, tokens lo..hi.

    The biased variance in two passes, as torch.nn.LayerNorm (Ba et al. 2016).
    """
    d = x.shape[1]
    for t in range(lo, hi):
        mean = lane_sum(x[t], d) / np.float32(d)
        for i in range(d):
            out[t, i] = x[t, i] - mean
        variance = lane_dot(out[t], out[t], d) / np.float32(d)
        rstd = np.float32(1.0) / np.sqrt(variance + np.float32(eps))
        for i in range(d):
            out[t, i] = out[t, i] * rstd * weight[i] + bias[i]
