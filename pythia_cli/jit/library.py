"""Compiled kernels, called by name: loaded from the cache without Numba, or else compiled once.

A kernel takes its arguments from words of memory (compile.py): `Arguments` lays them out.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

import llvmlite.binding as llvm

from pythia_cli import settings
from pythia_cli.jit import processor, tiers
from pythia_cli.jit.arguments import Arguments
from pythia_cli.jit.object_cache import CompiledKernel, ObjectCache
from pythia_cli.jit.signature import from_json
from pythia_cli.reporting import SILENT, Reporter

_T = TypeVar("_T")
_PROTOTYPE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)
# Where Numba's calling convention puts a result of None, and would put an exception.
_IGNORED = ctypes.create_string_buffer(16)


class Library:
    """The kernels of `modules`. `folder` holds all sources that they are compiled from.

    The others of their sources are here, in jit/. Every method but `cache` loads them first.
    """

    def __init__(self, folder: Path, modules: Sequence[str]) -> None:
        self._folder = folder
        self._modules = modules
        self._lock = threading.Lock()
        self._loaded: _LinkedKernels | None = None

    def load(self, reporter: Reporter = SILENT) -> None:
        """Make the kernels ready; later calls do nothing. Compiling takes seconds, and is noted.

        Raises BadEnvironment if PYTHIA_SIMD names no tier of this processor, and PythiaError if
        compiling fails.
        """
        self._linked(reporter)

    def cache(self) -> ObjectCache:
        """Where they are kept, compiled."""
        return ObjectCache(self._folder)

    def arguments(self, kernel: str, **values: Any) -> Arguments:
        """Arguments of a kernel, by name. Raises TypeError, as Arguments does."""
        return Arguments(self._linked().signatures[kernel], values)

    def function(self, kernel: str) -> Callable[[int, int, Any, int], None]:
        """The kernel as what a team runs: f(rank, n_ranks, shared, the address of its Arguments).

        A kernel that meets its team at barriers has the array `shared` among its arguments too.
        """
        compiled = self._linked().functions[kernel]

        def run(rank: int, n_ranks: int, shared: Any, address: int) -> None:
            compiled(_IGNORED, _IGNORED, rank, n_ranks, address)

        return run

    def call(self, kernel: str, **values: Any) -> None:
        """Run a kernel that needs no team, without the GIL."""
        arguments = self.arguments(kernel, **values)  # which has to outlive the run
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
            if cache.found_damaged:
                reporter.note("the compiled kernels were damaged, and are compiled again")
            from pythia_cli.jit.compile_process import compile_kernels  # rarely needed

            reporter.note("compiling kernels for this processor, once: about 15 seconds")
            kernels = compile_kernels(self._modules)
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
        if kernels is None:  # before seconds are spent on it
            tiers.choose(processor.architecture(), processor.features(), settings.simd())
        return cache, kernels


class _LinkedKernels:
    """Kernels in memory: what to call by name, and with what."""

    def __init__(self, kernels: Mapping[str, CompiledKernel]) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        for kernel in kernels.values():
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(kernel.object_code))
        self._engine.finalize_object()
        self.functions = {
            name: _PROTOTYPE(self._engine.get_function_address(kernel.symbol))
            for name, kernel in kernels.items()
        }
        self.signatures = {name: from_json(kernel.signature) for name, kernel in kernels.items()}


def _uninterrupted(work: Callable[[], _T]) -> _T:
    """work(), in a thread of its own: an interrupt ends the waiting and leaves the work alone.

    Exceptions that cross llvmlite's callbacks and constructors are dropped, or crash it.
    """
    result: Future[_T] = Future()

    def run() -> None:
        try:
            result.set_result(work())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=run, daemon=True, name="pythia-llvm").start()
    return result.result()
