"""The processor, as LLVM knows it. No Numba here."""

from __future__ import annotations

import llvmlite.binding as llvm


def architecture() -> str:
    """Such as x86_64: the first part of LLVM's triple."""
    return str(llvm.get_process_triple().split("-")[0])


def name() -> str:
    """Such as znver5."""
    return str(llvm.get_host_cpu_name())


def features() -> dict[str, bool]:
    """LLVM's names of features, and whether it has them."""
    return dict(llvm.get_host_cpu_features())
