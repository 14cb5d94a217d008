"""For kernels run by several threads: work sharing, and a barrier made of LLVM atomics."""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pythia_cli.jit.declare import jit
from pythia_cli.jit.team import ABORTED, ARRIVED, GENERATION
from pythia_cli.jit.tiers import ARM

_SPINS = 4000
_WHOLE_SYSTEM = ir.Constant(ir.IntType(32), 15)  # SY, the only option of isb

_yield_slice = types.ExternalFunction(
    "SwitchToThread" if sys.platform == "win32" else "sched_yield", types.int32()
)


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


@intrinsic
def _atomic_add(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index] += value, sequentially consistent. Returns the old value."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _address(context, builder, signature.args[0], args[0], args[1])
        return builder.atomic_rmw("add", place, args[2], "seq_cst")

    return types.int64(array, types.intp, types.int64), codegen


@intrinsic
def _atomic_load(typingctx: Any, array: Any, index: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _address(context, builder, signature.args[0], args[0], args[1])
        return builder.load_atomic(place, "acquire", 8)

    return types.int64(array, types.intp), codegen


@intrinsic
def _atomic_store(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = _address(context, builder, signature.args[0], args[0], args[1])
        builder.store_atomic(args[2], place, "release", 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, types.int64), codegen


def emit_pause(builder: Any) -> None:
    """Emit the processor's hint that a loop waits: it saves power, and leaves memory to others.

    On ARM this is `isb`, which takes about as long as `pause` on x86; most cores do not wait at all
    for `yield`. Nothing on other processors.
    """
    architecture = builder.module.triple.split("-")[0]
    if architecture in ARM:
        name, arguments = "llvm.aarch64.isb", [_WHOLE_SYSTEM]
    elif architecture in ("x86_64", "i686"):
        name, arguments = "llvm.x86.sse2.pause", []
    else:
        return
    function_type = ir.FunctionType(ir.VoidType(), [argument.type for argument in arguments])
    builder.call(cgutils.get_or_insert_function(builder.module, function_type, name), arguments)


@intrinsic
def _pause(typingctx: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        emit_pause(builder)
        return context.get_dummy_value()

    return types.void(), codegen


@jit
def share(n: Any, grain: Any, rank: Any, n_ranks: Any) -> Any:
    """This rank's part [lo, hi) of n items, cut at multiples of `grain`."""
    n_grains = (n + grain - 1) // grain
    lo = n_grains * rank // n_ranks * grain
    hi = n_grains * (rank + 1) // n_ranks * grain
    return min(lo, n), min(hi, n)


@jit
def claim(claims: Any, slot: Any, grain: Any, n: Any) -> Any:
    """The next part [lo, hi) of n items that no rank has taken yet; lo >= hi if none is left.

    claims[slot] counts the parts taken, of `grain` items each. A rank slowed down by a busy machine
    takes fewer parts.
    """
    lo = _atomic_add(claims, slot, 1) * grain
    return lo, min(lo + grain, n)


@jit
def barrier(shared: Any, n_ranks: Any) -> Any:
    """Wait until all ranks are here. Returns False if the run was aborted while waiting."""
    if n_ranks == 1:
        return _atomic_load(shared, ABORTED) == 0
    generation = _atomic_load(shared, GENERATION)
    if _atomic_add(shared, ARRIVED, 1) == n_ranks - 1:
        _atomic_store(shared, ARRIVED, 0)
        _atomic_store(shared, GENERATION, generation + 1)
        return True
    spins = 0
    while _atomic_load(shared, GENERATION) == generation:
        if _atomic_load(shared, ABORTED) != 0:
            return False
        spins += 1
        if spins < _SPINS:
            _pause()
        else:
            _yield_slice()
    return True
