"""Numba's part in calling kernels: object code of each entry, for words of memory as arguments.

The object code refers to nothing of Numba or Python, so that later processes need neither.
"""

from __future__ import annotations

import importlib
from collections import namedtuple
from collections.abc import Iterator
from typing import Any, NamedTuple, get_type_hints

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import compiler
from numba.core.registry import cpu_target
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array
from numba.np.numpy_support import from_dtype

from pythia_cli.kernels.entries import ArrayType, Entry

_I64 = ir.IntType(64)


class Compiled(NamedTuple):
    """A kernel's object code, and the name of the function in it.

    Its C type is int (void *, void *, int64 rank, int64 n_ranks, int64 *words).
    """

    symbol: str
    object_code: bytes


def compile_entry(entry: Entry) -> Compiled:
    """Compile one kernel for this processor. Seconds."""
    module = importlib.import_module(f"pythia_cli.kernels.{entry.module}")
    kernel = getattr(module, entry.function)
    arguments = _arguments_reader(types.Tuple([_numba_type(hint) for hint in entry.arguments]))

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
        team_call if entry.for_team else call,
        (types.int64, types.int64, types.CPointer(types.int64)),
        types.void,
        flags,
        {},
    )
    return Compiled(result.fndesc.llvm_func_name, result.library._get_compiled_object())


def _numba_type(hint: Any) -> Any:
    """The Numba type of an argument that entries.py gives this type."""
    if hint is int:
        return types.int64
    if hint is float:
        return types.float64
    if (array := next(iter(getattr(hint, "__metadata__", ())), None)) is not None:
        assert isinstance(array, ArrayType)
        return types.Array(from_dtype(np.dtype(array.dtype)), array.n_axes, "C")
    fields = get_type_hints(hint, include_extras=True)
    # A class that Numba can find by its fields' names, and whose hints it does not mind.
    plain = namedtuple(hint.__name__, list(fields))  # type: ignore[misc]
    return types.NamedTuple([_numba_type(field) for field in fields.values()], plain)


def _arguments_reader(tuple_type: Any) -> Any:
    """An intrinsic: the arguments [tuple_type] that stand in words of memory, one after another.

    A number is its 64 bits; an array is its address and its shape.
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
