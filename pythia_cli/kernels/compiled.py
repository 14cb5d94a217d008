"""Calling compiled kernels: loaded from the cache without Numba, or else compiled once.

A kernel takes its arguments from words of memory (compile.py): `Arguments` lays them out.
"""

from __future__ import annotations

import ctypes
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, get_type_hints

import llvmlite.binding as llvm
import numpy as np

from pythia_cli import settings
from pythia_cli.jit import processor, tiers
from pythia_cli.jit.object_cache import ObjectCache
from pythia_cli.kernels.entries import ENTRIES, ArrayType
from pythia_cli.reporting import SILENT, Reporter

_PROTOTYPE = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p
)
# Where Numba's calling convention puts a result of None, and would put an exception.
_IGNORED = ctypes.create_string_buffer(16)
_LOCK = threading.Lock()


class _Library:
    """All kernels, in memory."""

    def __init__(self, kernels: Mapping[str, tuple[str, bytes]]) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        machine = llvm.Target.from_default_triple().create_target_machine(jit=True)
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
        for _, code in kernels.values():
            self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        self.functions = {
            name: _PROTOTYPE(self._engine.get_function_address(symbol))
            for name, (symbol, _) in kernels.items()
        }


_loaded: _Library | None = None


def load(reporter: Reporter = SILENT) -> None:
    """Make the kernels ready. Compiling takes seconds, and is noted; later calls do nothing.

    Raises UsageError where PYTHIA_SIMD names no tier of this processor.
    """
    global _loaded
    with _LOCK:
        if _loaded is not None:
            return
        cache = ObjectCache()
        kernels: Mapping[str, tuple[str, bytes]] | None = cache.read()
        if kernels is None:
            tiers.choose(processor.architecture(), processor.features(), settings.simd())
            if cache.found_damaged:
                reporter.note("the compiled kernels were damaged, and are compiled again")
            reporter.note("compiling kernels for this processor, once: about 15 seconds")
            kernels = _compile()
            cache.write(kernels)
            if cache.problem:
                reporter.note(
                    f"{cache.problem}, so every run compiles its kernels again;"
                    " correct that, or set PYTHIA_CACHE to a folder of yours"
                )
        _loaded = _Library(kernels)


def _compile() -> Mapping[str, tuple[str, bytes]]:
    from pythia_cli.kernels.compile import compile_entry

    return {name: compile_entry(entry) for name, entry in ENTRIES.items()}


class Arguments:
    """The arguments of one kernel as it reads them; arrays are kept alive as long as this.

    Raises TypeError where an argument is not of the type that the kernel was compiled for.
    """

    def __init__(self, kernel: str, *values: Any) -> None:
        self._hints = ENTRIES[kernel].arguments
        self._values = list(values)
        words = [list(_words(*pair)) for pair in zip(self._hints, values, strict=True)]
        self._starts = [sum(map(len, words[:i])) for i in range(len(words))]
        self._words = np.array([word for part in words for word in part], np.int64)
        self.address = self._words.ctypes.data

    def replace(self, i: int, value: Any) -> None:
        """Put another value in the place of argument i."""
        if value is self._values[i]:
            return
        words = list(_words(self._hints[i], value))
        self._values[i] = value
        self._words[self._starts[i] : self._starts[i] + len(words)] = words


def call(kernel: str, *values: Any) -> None:
    """Run a kernel that is none of a team's, without the GIL."""
    arguments = Arguments(kernel, *values)  # which has to outlive the run
    function(kernel)(0, 1, None, arguments.address)


def function(kernel: str) -> Callable[[int, int, Any, int], None]:
    """The kernel as what a team runs: f(rank, n_ranks, shared, the address of its Arguments).

    A kernel that meets its team at barriers has the array `shared` among its arguments too.
    """
    load()
    assert _loaded is not None
    compiled = _loaded.functions[kernel]

    def run(rank: int, n_ranks: int, shared: Any, address: int) -> None:
        compiled(_IGNORED, _IGNORED, rank, n_ranks, address)

    return run


_HINTS: dict[Any, tuple[Any, ...]] = {}


def _words(hint: Any, value: Any) -> Iterator[int]:
    """The 64-bit words of one argument."""
    if hint is int:
        yield int(value)
    elif hint is float:
        yield struct.unpack("<q", struct.pack("<d", value))[0]
    elif hasattr(hint, "__metadata__"):
        expected: ArrayType = hint.__metadata__[0]
        array: dict[str, Any] = value.__array_interface__
        if (
            array["typestr"][0] == ">"
            or array["typestr"][1:] != expected.dtype
            or len(value.shape) != expected.n_axes
            or not (value.flags.c_contiguous and value.flags.aligned)
        ):
            raise TypeError(f"{value.dtype} {value.shape} in place of {expected}")
        yield array["data"][0]
        yield from value.shape
    else:
        if hint not in _HINTS:
            _HINTS[hint] = tuple(get_type_hints(hint, include_extras=True).values())
        for member_hint, member in zip(_HINTS[hint], value, strict=True):
            yield from _words(member_hint, member)
