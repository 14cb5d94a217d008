"""The processor as LLVM and the operating system describe it. Does not import Numba."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import llvmlite.binding as llvm

from pythia_cli.jit import amx, dot_product, tiers


def triple() -> str:
    """LLVM's target triple, such as x86_64-unknown-linux-gnu."""
    return str(llvm.get_process_triple())


def architecture() -> str:
    """The first part of the triple, such as x86_64."""
    return triple().split("-")[0]


def name() -> str:
    """LLVM's name of the processor, such as znver5."""
    return str(llvm.get_host_cpu_name())


def new_engine(code: str = "", optimisation: int = 2) -> Any:
    """LLVM's engine for this process, with a module of this code in LLVM's assembly language."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    machine = target.create_target_machine(opt=optimisation, jit=True)
    return llvm.create_mcjit_compiler(llvm.parse_assembly(code), machine)


def permitted(features: Mapping[str, bool]) -> dict[str, bool]:
    """The features, without those that the system refuses to this process. Asks for them."""
    if features.get("amx-tile", False) and not amx.is_permitted():
        return {name: on and not name.startswith("amx") for name, on in features.items()}
    return dict(features)


def features() -> dict[str, bool]:
    """Whether the processor has each feature, by LLVM's name."""
    found = permitted(dict(llvm.get_host_cpu_features()))
    if architecture() in tiers.ARM:
        found["dotprod"] = found.get("dotprod", False) or dot_product.is_reported()
    return found
