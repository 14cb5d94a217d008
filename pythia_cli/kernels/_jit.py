"""The decorator of kernels: how Numba is to compile them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba


def jit(function: Callable[..., Any]) -> Any:
    """Compile `function` without the GIL; the plain body stays callable as `.py_func`.

    No fast-math: float sums are written in the order they are to be added in (simd.lane_sum), so
    that the bits depend neither on the processor nor on what LLVM made of a loop where it was
    inlined. No Numba runtime: kernels allocate nothing, and their object code stands alone.
    """
    return numba.njit(nogil=True, error_model="numpy", _nrt=False)(function)
