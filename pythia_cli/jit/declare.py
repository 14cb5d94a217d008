"""Decorators for kernels, and Numba's settings: target processor and flags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding as llvm
import numba
from numba.core import config

from pythia_cli import settings
from pythia_cli.jit import processor, tiers


def _compile_for_tier() -> tiers.Tier:
    """Choose the tier, PYTHIA_SIMD or else the best one, and set Numba to compile for it.

    NUMBA_CPU_NAME and NUMBA_CPU_FEATURES override the detected processor.
    """
    architecture = processor.architecture()
    if config.CPU_FEATURES is None:
        features = processor.features()
    else:
        given = filter(None, config.CPU_FEATURES.split(","))
        features = processor.permitted({name[1:]: name.startswith("+") for name in given})
    tier = tiers.choose(architecture, features, settings.simd())
    features = tiers.without(tier, features)
    flags = [f"{'+' if on else '-'}{name}" for name, on in sorted(features.items())]
    config.CPU_FEATURES = ",".join(flags)
    # The name alone implies features, so those to leave out are listed with "-".
    config.CPU_NAME = config.CPU_NAME or processor.name()
    config.DISABLE_JIT = 0
    return tier


TIER = _compile_for_tier()
if TIER.has_lanes:
    llvm.initialize_native_asmparser()  # for inline assembly
PROCESSOR: str = config.CPU_NAME
"""LLVM's name of the processor that kernels are compiled for."""


_FLAGS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}


def only_for_objects() -> None:
    """Leave out of kernels declared from now on what Python needs to call them.

    It takes a tenth of the time of compiling.
    """
    _FLAGS.update(no_cpython_wrapper=True, no_cfunc_wrapper=True)


KERNELS: dict[str, Any] = {}
"""The kernels that Python calls, by name. Importing a module adds its kernels."""


def jit(function: Callable[..., Any]) -> Any:
    """Compile `function` to run without the GIL. `.py_func` is the Python function.

    No fast-math: float sums are written in the order in which they are added (simd.lane_sum), so
    the result is the same to the bit on every processor and wherever LLVM inlines the function. No
    Numba runtime: kernels allocate nothing, and their object code can be loaded without Numba.
    """
    return numba.njit(**_FLAGS)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Inline `function` into each function that calls it; it is never compiled separately.

    For functions that only call kernels. It keeps compile time down: otherwise LLVM optimises the
    same code again at each level of calls.
    """
    return numba.njit(**_FLAGS, inline="always")(function)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls by name. Its annotations are its signature.

    If its first arguments are rank and n_ranks, a team runs it.
    """
    KERNELS[function.__name__] = jit(function)
    return KERNELS[function.__name__]
