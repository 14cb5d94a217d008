"""The sums of rows of int8 weights, which inputs of 8 bits with a zero point need."""

from __future__ import annotations

import numpy as np

from pythia_cli.jit.declare import kernel
from pythia_cli.jit.signature import Int8s2, Int32s1


@kernel
def row_sums(q: Int8s2, sums: Int32s1) -> None:
    """sums [d_out] = those of the rows of q [d_out, d_in]."""
    for row in range(q.shape[0]):
        total = np.int32(0)
        for i in range(q.shape[1]):
            total = np.int32(total + np.int32(q[row, i]))
        sums[row] = total
