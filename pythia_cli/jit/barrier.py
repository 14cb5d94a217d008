"""A barrier for threads that run one kernel; who waits prefetches what is read next."""

from __future__ import annotations

import sys
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pythia_cli.jit.atomics import atomic_add, atomic_load, atomic_store, emit_address
from pythia_cli.jit.declare import jit
from pythia_cli.jit.prefetch import prefetch_to_read
from pythia_cli.jit.team import ABORTED, ARRIVED, BEGAN, LINE, MET, OWN
from pythia_cli.jit.tiers import ARM

_SPINS = 4000
_MEETINGS, _WEIGHTS, _FETCHED = 0, 1, 2  # in a rank's own line
_PIECE = 256  # bytes that are prefetched between two looks
_MOST_AHEAD = 1 << 18  # bytes of a rank: a part of the L2 cache
_I64 = ir.IntType(64)
_WHOLE_SYSTEM = ir.Constant(ir.IntType(32), 15)  # SY, the only option of isb

_yield_slice = types.ExternalFunction(
    "SwitchToThread" if sys.platform == "win32" else "sched_yield", types.int32()
)


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


@intrinsic
def _address_of(typingctx: Any, array: Any) -> Any:
    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = emit_address(context, builder, signature.args[0], args[0], _I64(0))
        return builder.ptrtoint(place, _I64)

    return types.int64(array), codegen


@jit
def begin(ranks: Any) -> None:
    """To be called by each rank before its first `meet` in a run."""
    shared = ranks.shared
    shared[OWN + ranks.rank * LINE + _MEETINGS] = shared[BEGAN]


@jit
def meet(ranks: Any, first_only: Any, w: Any, start: Any) -> Any:
    """Wait until all ranks are here. Returns False if the run was aborted while waiting.

    first_only: wait only until rank 0 is here, which waits for nobody; all ranks give the same.
    ranks has the rank, n_ranks, and the array that they share. Who waits prefetches what it reads
    next: w, int8 weights, from w.flat[start] on.
    """
    rank, n_ranks, shared = ranks.rank, ranks.n_ranks, ranks.shared
    if n_ranks == 1:
        return atomic_load(shared, ABORTED) == 0
    own = OWN + rank * LINE
    meeting = shared[own + _MEETINGS] + 1
    shared[own + _MEETINGS] = meeting
    if first_only:
        is_last = rank == 0
    else:
        is_last = atomic_add(shared, ARRIVED, 1) == n_ranks - 1
        if is_last:
            atomic_store(shared, ARRIVED, 0)
    if is_last:
        atomic_store(shared, MET, meeting)
        return True
    done = _fetched(shared, own, w)
    most = min(_MOST_AHEAD, w.size // n_ranks)
    spins = 0
    while atomic_load(shared, MET) < meeting:
        if atomic_load(shared, ABORTED) != 0:
            return False
        if done < most:
            prefetch_to_read(w, start + done, _PIECE)
            done += _PIECE
        elif spins < _SPINS:
            spins += 1
            _pause()
        else:
            _yield_slice()
    shared[own + _FETCHED] = done
    return True


@jit
def _fetched(shared: Any, own: Any, w: Any) -> Any:
    """The bytes of w that this rank has prefetched, if w is what it prefetched last."""
    address = _address_of(w)
    if shared[own + _WEIGHTS] != address:
        shared[own + _WEIGHTS] = address
        return 0
    return shared[own + _FETCHED]
