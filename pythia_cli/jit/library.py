"""Compiled kernels, called by name. Loaded from the cache without Numba, or compiled once.

A kernel reads its arguments from 64-bit words in memory (compile.py), which `Arguments` packs.
"""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pythia_cli import settings
from pythia_cli.jit import elf
from pythia_cli.jit.arguments import Arguments
from pythia_cli.jit.object_cache import CompiledKernel, ObjectCache
from pythia_cli.jit.signature import from_json
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.system.background import background

COMPILE_TIME = "20 to 30 seconds"
"""Of all kernels, on two cores (docs/performance-table.md)."""

_T = TypeVar("_T")
_PROTOTYPE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)
# Numba's calling convention writes the return value (None) and any exception here.
_IGNORED = ctypes.create_string_buffer(16)


class Library:
    """The kernels of groups of modules. `folder` and jit/ hold all their source files.

    The groups are compiled side by side. Every method except `cache` loads the kernels first.
    """

    def __init__(self, folder: Path, *groups: Sequence[str]) -> None:
        self._folder = folder
        self._groups = groups
        self._lock = threading.Lock()
        self._loaded: _LinkedKernels | None = None

    def load(self, reporter: Reporter = SILENT) -> None:
        """Load the kernels, or compile them: that takes seconds, and is reported by a note.

        Later calls do nothing. Raises BadEnvironment if this processor does not have the tier
        PYTHIA_SIMD, and PythiaError if compiling fails.
        """
        self._linked(reporter)

    def cache(self) -> ObjectCache:
        """The file cache of the compiled kernels."""
        return ObjectCache(self._folder)

    def arguments(self, kernel: str, **values: Any) -> Arguments:
        """Arguments for this kernel, by name. Raises TypeError as Arguments does."""
        return Arguments(self._linked().signatures[kernel], values)

    def function(self, kernel: str) -> Callable[[int, int, Any, int], None]:
        """The kernel as a function for Team.run: f(rank, n_ranks, shared, address of Arguments).

        f ignores `shared`; a kernel with barriers takes that array as one of its Arguments.
        """
        compiled = self._linked().functions[kernel]

        def run(rank: int, n_ranks: int, shared: Any, address: int) -> None:
            compiled(_IGNORED, _IGNORED, rank, n_ranks, address)

        return run

    def call(self, kernel: str, **values: Any) -> None:
        """Run a kernel in the calling thread, without the GIL."""
        arguments = self.arguments(kernel, **values)  # must be kept alive during the call
        self.function(kernel)(0, 1, None, arguments.address)

    def _linked(self, reporter: Reporter = SILENT) -> _LinkedKernels:
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    self._loaded = self._load(reporter)
        return self._loaded

    def _load(self, reporter: Reporter) -> _LinkedKernels:
        cache, kernels = _uninterrupted(self._read)
        if kernels is None:
            if cache.fault:
                reporter.note(f"{cache.path} {cache.fault}, and is compiled again")
            from pythia_cli.jit.compile_process import compile_kernels  # rarely needed

            reporter.note(f"compiling kernels for this processor, once: {COMPILE_TIME}")
            kernels = compile_kernels(*self._groups)
            cache.write(kernels)
            if cache.problem:
                reporter.note(
                    f"{cache.problem}, so that every run compiles its kernels again; change that,"
                    " or set PYTHIA_CACHE to a folder of yours"
                )
        return _uninterrupted(lambda: _LinkedKernels(kernels))

    def _read(self) -> tuple[ObjectCache, dict[str, CompiledKernel] | None]:
        cache = self.cache()
        kernels = cache.read()
        if kernels is None:  # raises now, not after seconds of compiling
            from pythia_cli.jit import processor, tiers

            tiers.choose(processor.architecture(), processor.features(), settings.simd())
        return cache, kernels


class _LinkedKernels:
    """Kernels linked into this process: functions and signatures by name."""

    def __init__(self, kernels: Mapping[str, CompiledKernel]) -> None:
        addresses, self._kept = _loaded(kernels)
        self.functions = {name: _PROTOTYPE(address) for name, address in addresses.items()}
        self.signatures = {name: from_json(kernel.signature) for name, kernel in kernels.items()}


def _loaded(kernels: Mapping[str, CompiledKernel]) -> tuple[dict[str, int], object]:
    """The address of each kernel, and what has to be kept for them."""
    if elf.is_supported():
        with contextlib.suppress(elf.UnknownObject):
            objects = {
                name: elf.LoadedObject(kernel.object_code) for name, kernel in kernels.items()
            }
            found = {name: objects[name].address(kernel.symbol) for name, kernel in kernels.items()}
            return found, objects
    import llvmlite.binding as llvm

    from pythia_cli.jit import processor

    engine = processor.new_engine()
    for kernel in kernels.values():
        engine.add_object_file(llvm.ObjectFileRef.from_data(kernel.object_code))
    engine.finalize_object()
    found = {name: engine.get_function_address(k.symbol) for name, k in kernels.items()}
    return found, engine


def _uninterrupted(work: Callable[[], _T]) -> _T:
    """Call work() in a new thread. An interrupt ends only the wait; the thread runs on.

    An exception raised inside llvmlite's callbacks or constructors is lost, or crashes the process.
    """
    return background(work, "pythia-llvm").result()
