"""How Numba is to compile kernels: for which processor, and with which flags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from numba.core import config

from pythia_cli import settings
from pythia_cli.jit import processor, tiers


def _compile_for_tier() -> tiers.Tier:
    """The tier of PYTHIA_SIMD or the best one, with Numba set to compile for it.

    NUMBA_CPU_NAME and NUMBA_CPU_FEATURES stand in for the processor's own, where given.
    """
    architecture = processor.architecture()
    if config.CPU_FEATURES is None:
        features = processor.features()
    else:
        given = filter(None, config.CPU_FEATURES.split(","))
        features = {name[1:]: name.startswith("+") for name in given}
    tier = tiers.choose(architecture, features, settings.simd())
    features = tiers.without(tier, features)
    flags = [f"{'+' if on else '-'}{name}" for name, on in sorted(features.items())]
    config.CPU_FEATURES = ",".join(flags)
    # A processor's name brings its features with it: those it is to lack are named, and are "-".
    config.CPU_NAME = config.CPU_NAME or processor.name()
    config.DISABLE_JIT = 0
    return tier


TIER = _compile_for_tier()


_FLAGS: dict[str, Any] = {"nogil": True, "error_model": "numpy", "_nrt": False}

KERNELS: dict[str, Any] = {}
"""The kernels that Python calls, by name; a module that is imported adds its own."""


def jit(function: Callable[..., Any]) -> Any:
    """Compile `function` without the GIL; the plain body stays callable as `.py_func`.

    No fast-math: float sums are written in the order they are to be added in (simd.lane_sum), so
    that the bits depend neither on the processor nor on what LLVM made of a loop where it was
    inlined. No Numba runtime: kernels allocate nothing, and their object code stands alone.
    """
    return numba.njit(**_FLAGS)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Compile `function` as part of each function that calls it, never by itself.

    For what only puts kernels together: compiled by itself as well, LLVM optimises the same code
    once more for each level of calls.
    """
    return numba.njit(**_FLAGS, inline="always")(function)


def kernel(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls by its name: its annotations are its signature.

    One that begins with rank and n_ranks is run by a team.
    """
    KERNELS[function.__name__] = jit(function)
    return KERNELS[function.__name__]
