"""Compile all kernels for another processor, described in JSON on stdin; they go to stdout.

python -m tests.arm.cross < processor.json > kernels
"""

from __future__ import annotations

import importlib
import json
import sys

import llvmlite.binding as llvm
import llvmlite.binding.targets

from pythia_cli.jit import processor
from pythia_cli.jit.object_cache import packed
from pythia_cli.kernels import compiled


def main() -> None:
    target = json.load(sys.stdin)
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    for module in (llvm, llvmlite.binding.targets):  # of which Numba takes its target
        for name in ("get_process_triple", "get_default_triple"):
            setattr(module, name, lambda: target["triple"])
    processor.name = lambda: target["name"]
    processor.features = lambda: target["features"]
    from pythia_cli.jit.compile import compile_kernel
    from pythia_cli.jit.declare import KERNELS

    for module in compiled._LIBRARY._modules:
        importlib.import_module(module)
    kernels = {name: compile_kernel(kernel) for name, kernel in KERNELS.items()}
    sys.stdout.buffer.write(packed(kernels))


if __name__ == "__main__":
    main()
