"""IEEE halves to float32, for processors with and without an instruction for it."""

from __future__ import annotations

import numpy as np

from pythia_cli.jit.declare import kernel
from pythia_cli.jit.signature import Floats1, UInt16s1
from pythia_cli.kernels.simd import bits_from_float, float_from_bits

_MAGNITUDE, _SIGN = np.int32(0x7FFF), np.int32(0x8000)
_INFINITE, _LEAST_NORMAL = np.int32(0x7C00), np.int32(0x400)
_ALL_ONES, _BIAS = np.int32(0x7F800000), np.int32((127 - 15) << 23)
_SUBNORMAL = np.float32(2.0**-24)


@kernel
def widen_float16(bits: UInt16s1, out: Floats1, lo: int, hi: int) -> None:
    """out [n] = the halves with these bits [n], exactly; elements lo..hi. NaN keeps its bits."""
    # Sliced because possibly negative indices would prevent vectorisation.
    halves, floats = bits[lo:hi], out[lo:hi]
    for i in range(halves.shape[0]):
        half = np.int32(halves[i])
        magnitude = np.int32(half & _MAGNITUDE)
        widened = np.int32(magnitude << np.int32(13))
        normal = np.int32(widened + _BIAS)
        beyond = np.int32(widened | _ALL_ONES)
        subnormal = bits_from_float(np.float32(magnitude) * _SUBNORMAL)
        found = subnormal if magnitude < _LEAST_NORMAL else normal
        found = beyond if magnitude >= _INFINITE else found
        floats[i] = float_from_bits(np.int32(found | np.int32((half & _SIGN) << np.int32(16))))
