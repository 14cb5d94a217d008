"""The processor as LLVM describes it. Does not import Numba."""

from __future__ import annotations

import llvmlite.binding as llvm


def architecture() -> str:
    """The first part of LLVM's target triple, such as x86_64."""
    return str(llvm.get_process_triple().split("-")[0])


def name() -> str:
    """LLVM's name of the processor, such as znver5."""
    return str(llvm.get_host_cpu_name())


def features() -> dict[str, bool]:
    """Whether the processor has each feature, by LLVM's name."""
    return dict(llvm.get_host_cpu_features())
