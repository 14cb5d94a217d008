"""Layer norm over the last axis."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pythia_cli.jit.declare import jit
from pythia_cli.jit.signature import Floats1, Floats2
from pythia_cli.kernels.simd import lane_dot, lane_sum


class Norm(NamedTuple):
    """weight and bias [d]."""

    weight: Floats1
    bias: Floats1


class Norms(NamedTuple):
    """The same norm of all layers: weight and bias [n_layers, d]."""

    weight: Floats2
    bias: Floats2


@jit
def layer_norm(norm: Any, x: Any, eps: Any, out: Any, lo: Any, hi: Any) -> None:
    """out [n_tokens, d] = (x - mean) / sqrt(variance + eps) * weight + bias, tokens lo..hi.

    Rows of x may be longer than d.

    The variance is biased and computed in a second pass, as in torch.nn.LayerNorm (Ba et al. 2016).
    """
    weight, bias = norm
    d = weight.shape[0]
    for t in range(lo, hi):
        mean = lane_sum(x[t], d) / np.float32(d)
        for i in range(d):
            out[t, i] = x[t, i] - mean
        variance = lane_dot(out[t], out[t], d) / np.float32(d)
        rstd = np.float32(1.0) / np.sqrt(variance + np.float32(eps))
        if not variance < np.float32(np.inf):
            rstd = np.float32(np.nan)  # it overflows: zeros would hide that
        for i in range(d):
            out[t, i] = out[t, i] * rstd * weight[i] + bias[i]
