"""Compile all kernels for another processor, described in JSON on stdin; they go to stdout.

python -m tests.arm.cross < processor.json > kernels
"""

from __future__ import annotations

import json
import sys
from itertools import chain

import llvmlite.binding as llvm
import llvmlite.binding.targets

from pythia_cli.jit import processor
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
    from pythia_cli.jit.compile import compile_modules

    sys.stdout.buffer.write(compile_modules(list(chain(*compiled.MODULES))))


if __name__ == "__main__":
    main()
