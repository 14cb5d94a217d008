"""The bytes of a single token's input, where the processor multiplies bytes and not 16 bits."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.jit.declare import TIER, jit

_HAS_HALVES = TIER.has_halves


@jit
def split(x: Any, lo: Any, hi: Any) -> None:
    """x.halves and x.totals of a Quantized = those of x.q, a single token, if it has room for them.

    q = 256 * high + low, both signed bytes (of AMX's halves, low is unsigned); |q| must be at most
    32639. Does nothing if no tile uses them, or if the token is not in lo..hi.
    """
    if not _HAS_HALVES:  # a constant: the rest is not compiled then
        return
    if lo >= hi or x.q.shape[0] != 1 or x.halves.shape[0] == 0:
        return
    high, low = x.halves[0, 0], x.halves[0, 1]
    total = np.int32(0)
    for i in range(x.q.shape[1]):
        q = np.int32(x.q[0, i])
        # Adding 128 rounds the high byte to nearest.
        rounded = np.int32(q + np.int32(128))
        high[i] = np.int8(rounded >> np.int32(8))
        low[i] = np.int8((rounded & np.int32(255)) - np.int32(128))
        total = np.int32(total + q)
    x.totals[0] = total
