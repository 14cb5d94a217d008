"""Compiles each kernel that Python calls to object code, with Numba, in child processes.

compile_process.py starts them; each runs `main`. The object code has no references to Numba
or Python, so it can be loaded without Numba.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import compiler
from numba.core.registry import cpu_target
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array
from numba.np.numpy_support import from_dtype

from pythia_cli.jit.declare import KERNELS, only_for_objects
from pythia_cli.jit.object_cache import CompiledKernel, packed
from pythia_cli.jit.signature import array_type, fields_of, hints_of, signature_of, to_json
from pythia_cli.jit.whole_kernels import compile_whole_kernels

_I64 = ir.IntType(64)


def main(modules: list[str]) -> None:
    """Compile the kernels of these modules, and write them to stdout.

    Exits as soon as stdin is closed: the parent has ended, or no longer waits.
    """
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # Numba may print debug output
    threading.Thread(target=_leave_with_the_caller, daemon=True).start()
    data = compile_modules(modules)
    with out:
        out.write(data)


def _leave_with_the_caller() -> None:
    os.read(0, 1)  # returns when the other end is closed
    os._exit(1)


def compile_modules(modules: Sequence[str]) -> bytes:
    """Import these modules, and compile the kernels in them: `packed`. They cannot be called."""
    only_for_objects()
    compile_whole_kernels()
    for module in modules:
        importlib.import_module(module)
    # What they import may have kernels, too.
    own = {name: one for name, one in KERNELS.items() if one.py_func.__module__ in modules}
    return packed({name: _compiled(kernel) for name, kernel in own.items()})


def _compiled(kernel: Any) -> CompiledKernel:
    """The kernel, compiled for this processor. Takes seconds.

    Its C type is int (void *, void *, int64 rank, int64 n_ranks, int64 *words).
    """
    hints, for_team = hints_of(kernel.py_func)
    arguments = _arguments_reader(types.Tuple([_numba_type(hint) for hint in hints.values()]))

    def team_call(rank: Any, n_ranks: Any, words: Any) -> None:
        kernel(rank, n_ranks, *arguments(words))

    def call(rank: Any, n_ranks: Any, words: Any) -> None:
        kernel(*arguments(words))

    flags = compiler.Flags()
    flags.nrt = False
    flags.error_model = "numpy"
    flags.no_cpython_wrapper = True
    flags.no_cfunc_wrapper = True
    result = compiler.compile_extra(
        cpu_target.typing_context,
        cpu_target.target_context,
        team_call if for_team else call,
        (types.int64, types.int64, types.CPointer(types.int64)),
        types.void,
        flags,
        {},
    )
    return CompiledKernel(
        symbol=result.fndesc.llvm_func_name,
        signature=to_json(signature_of(hints)),
        object_code=result.library.object_code(),
    )


def _numba_type(hint: Any) -> Any:
    """The Numba type of an annotated argument."""
    if hint is int:
        return types.int64
    if hint is float:
        return types.float64
    if (array := array_type(hint)) is not None:
        return types.Array(from_dtype(np.dtype(array.dtype)), array.n_axes, "C")
    return types.NamedTuple([_numba_type(field) for field in fields_of(hint).values()], hint)


def _arguments_reader(tuple_type: Any) -> Any:
    """An intrinsic that reads the arguments, a `tuple_type`, from consecutive 64-bit words.

    A number takes one word; an array takes its address, then its shape.
    """

    @intrinsic
    def arguments(typingctx: Any, words: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            addresses = (builder.gep(args[0], [_I64(i)]) for i in range(1 << 20))
            return _read(context, builder, tuple_type, (builder.load(a) for a in addresses))

        return tuple_type(words), codegen

    return arguments


def _read(context: Any, builder: Any, kind: Any, words: Iterator[Any]) -> Any:
    if isinstance(kind, types.Integer):
        return next(words)
    if isinstance(kind, types.Float):
        return builder.bitcast(next(words), ir.DoubleType())
    if isinstance(kind, types.BaseTuple):
        members = [_read(context, builder, member, words) for member in kind]
        return context.make_tuple(builder, kind, members)
    array = context.make_array(kind)(context, builder)
    address = builder.inttoptr(next(words), array.data.type)
    shape = [next(words) for _ in range(kind.ndim)]
    itemsize = stride = _I64(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides: list[Any] = []
    for n in reversed(shape):
        strides.insert(0, stride)
        stride = builder.mul(stride, n)
    populate_array(
        array, data=address, shape=shape, strides=strides, itemsize=itemsize, meminfo=None
    )
    return array._getvalue()
