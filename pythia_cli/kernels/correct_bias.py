"""Corrects the bias of a linear for what quantizing its weights changes on average."""

from __future__ import annotations

import numpy as np

from pythia_cli.jit.declare import kernel
from pythia_cli.jit.signature import Floats1, Floats2, Int8s2, Int32s1
from pythia_cli.kernels.simd import lane_dot


@kernel
def correct_bias(
    w: Floats2,
    q: Int8s2,
    scales: Floats1,
    mean: Floats1,
    bias: Floats1,
    error: Floats1,
    corrected: Floats1,
    centred: Floats1,
    row_sums: Int32s1,
    lo: int,
    hi: int,
) -> None:
    """For rows lo..hi of w [d_out, d_in] ~ q * scales, with inputs of this mean [d_in].

    corrected [d_out] is bias + (w - q * scales) mean, so that the mean output is that of w; centred
    is bias + w mean, for inputs less their mean. row_sums are those of q. error [d_in] is scratch.
    Nagel et al. 2019, "Data-Free Quantization Through Weight Equalization and Bias Correction".
    """
    d_in = w.shape[1]
    for row in range(lo, hi):
        total = np.int32(0)
        for i in range(d_in):
            total = np.int32(total + np.int32(q[row, i]))
            error[i] = w[row, i] - np.float32(q[row, i]) * scales[row]
        row_sums[row] = total
        corrected[row] = bias[row] + lane_dot(error, mean, d_in)
        centred[row] = bias[row] + lane_dot(w[row], mean, d_in)
