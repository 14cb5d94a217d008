"""Threads that run one kernel together: a team of Python threads, a barrier, fair shares.

Every member runs the same function without the GIL and works on its own share of each step;
between dependent steps they meet at a spin barrier of LLVM atomics. On a busy machine a member
that waits gives up its time slice.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pythia_cli.kernels._jit import jit

# Places in the shared int64 array, a cache line apart.
_ARRIVED, _GENERATION, _ABORTED, _SIZE = 0, 8, 16, 24
_SPINS = 4000
_RUNNING = object()

_yield_slice = types.ExternalFunction(
    "SwitchToThread" if sys.platform == "win32" else "sched_yield", types.int32()
)


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.gep(data, [index])


@intrinsic
def _atomic_add(typingctx: Any, array: Any, index: Any, value: Any) -> Any:
    """array[index] += value, sequentially consistent; the value before."""

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


@intrinsic
def _pause(typingctx: Any) -> Any:
    """Tell an x86 core that this is a spin loop; nothing elsewhere."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        if builder.module.triple.startswith(("x86_64", "i686")):
            function_type = ir.FunctionType(ir.VoidType(), [])
            builder.call(
                cgutils.get_or_insert_function(
                    builder.module, function_type, "llvm.x86.sse2.pause"
                ),
                [],
            )
        return context.get_dummy_value()

    return types.void(), codegen


@jit
def share(n: Any, grain: Any, rank: Any, n_ranks: Any) -> Any:
    """This rank's part [lo, hi) of n things, cut at multiples of `grain`."""
    n_grains = (n + grain - 1) // grain
    lo = n_grains * rank // n_ranks * grain
    hi = n_grains * (rank + 1) // n_ranks * grain
    return min(lo, n), min(hi, n)


@jit
def barrier(shared: Any, n_ranks: Any) -> Any:
    """Wait until all ranks are here. False where the team was told to abort."""
    if n_ranks == 1:
        return True
    generation = _atomic_load(shared, _GENERATION)
    if _atomic_add(shared, _ARRIVED, 1) == n_ranks - 1:
        _atomic_store(shared, _ARRIVED, 0)
        _atomic_store(shared, _GENERATION, generation + 1)
        return True
    spins = 0
    while _atomic_load(shared, _GENERATION) == generation:
        if _atomic_load(shared, _ABORTED) != 0:
            return False
        spins += 1
        if spins < _SPINS:
            _pause()
        else:
            _yield_slice()
    return True


class Team:
    """`n_ranks` threads, the caller's among them, that run one jitted function together.

    One call at a time; not to be shared between threads.
    """

    def __init__(self, n_ranks: int) -> None:
        self.n_ranks = n_ranks
        self._shared = np.zeros(_SIZE, np.int64)
        self._jobs: list[queue.SimpleQueue[Any]] = [queue.SimpleQueue() for _ in range(n_ranks - 1)]
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        for rank, jobs in enumerate(self._jobs, start=1):
            threading.Thread(
                target=_work, args=(rank, jobs, self._woken), daemon=True, name=f"pythia-{rank}"
            ).start()

    def run(self, function: Callable[..., Any], *args: Any) -> None:
        """function(rank, n_ranks, shared, *args) on every rank; returns when all have.

        An exception on any rank (KeyboardInterrupt on the caller's) makes the others leave at
        their next barrier, and is raised again here.
        """
        outcomes: list[Any] = [_RUNNING] * len(self._jobs)
        try:
            for jobs in self._jobs:
                jobs.put((function, self.n_ranks, self._shared, args, outcomes))
            function(0, self.n_ranks, self._shared, *args)
            while _RUNNING in outcomes:
                self._woken.get()
        except BaseException:
            self._settle()
            raise
        if failures := [outcome for outcome in outcomes if outcome is not None]:
            self._shared[:] = 0
            raise failures[0]

    def _settle(self) -> None:
        """Have the members leave, and wait until all have.

        An interrupt may have come between any two steps: whether a member had got its job is not
        known. So each gets a job behind it, and further interrupts have to wait.
        """
        while True:
            try:
                self._shared[_ABORTED] = 1
                outcomes: list[Any] = [_RUNNING] * len(self._jobs)
                for jobs in self._jobs:
                    jobs.put((_nothing, self.n_ranks, self._shared, (), outcomes))
                while _RUNNING in outcomes:
                    self._woken.get()
                self._shared[:] = 0
            except BaseException:
                continue
            return

    def close(self) -> None:
        """Let the threads end."""
        for jobs in self._jobs:
            jobs.put(None)
        self._jobs = []


def _nothing(rank: int, n_ranks: int, shared: Any) -> None:
    pass


def _work(rank: int, jobs: queue.SimpleQueue[Any], woken: queue.SimpleQueue[None]) -> None:
    while (job := jobs.get()) is not None:
        function, n_ranks, shared, args, outcomes = job
        outcome = None
        try:
            function(rank, n_ranks, shared, *args)
        except BaseException as error:
            shared[_ABORTED] = 1
            outcome = error
        del function, args, job
        outcomes[rank - 1] = outcome  # then the caller is woken, and looks
        woken.put(None)
