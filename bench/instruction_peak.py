"""How many products of int16s all threads do in a second, if operands never leave the registers.

The instruction is that of the exact tiles on this processor. No kernel can be faster. AMX
multiplies bytes, so a product takes two of them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pythia_cli.jit.declare import TIER
from pythia_cli.kernels.simd import data_of
from pythia_cli.kernels.tiles.amx import (
    HALVES,
    emit_layout,
    emit_products,
    emit_release,
    emit_tile_sums,
)
from pythia_cli.kernels.tiles.dot import loop

# More than the latency of the instruction, and fewer than there are registers.
_N_SUMS = 24 if TIER.vector == 32 else 12
_SECONDS = 0.2  # longer than a turn of the scheduler, as what is compared with it
_PASSES = 5
# Products of int16s in a turn of the loop.
_PRODUCTS = len(HALVES) * 16 * 16 * 64 if TIER.has_amx else _N_SUMS * TIER.vector
_FEW = 1000


@intrinsic
def _multiply(typingctx: Any, n: Any) -> Any:
    """_N_SUMS vectors of sums, n times: each adds the products of another one and ones."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        width = TIER.vector
        sums_type = ir.VectorType(ir.IntType(32), width // 2)
        pairs_type = ir.VectorType(ir.IntType(16), width)
        kind = ir.FunctionType(sums_type, [pairs_type, pairs_type])
        madd = cgutils.get_or_insert_function(builder.module, kind, TIER.instruction)
        ones = ir.Constant(pairs_type, [1] * width)

        def step(i: Any, sums: list[Any]) -> list[Any]:
            half = _N_SUMS // 2
            others = sums[half:] + sums[:half]
            products = [
                builder.call(madd, [builder.bitcast(other, pairs_type), ones]) for other in others
            ]
            return [builder.add(total, more) for total, more in zip(sums, products, strict=True)]

        start = [ir.Constant(sums_type, [k] * (width // 2)) for k in range(_N_SUMS)]
        total, *others = loop(builder, args[0], start, step)
        for other in others:
            total = builder.add(total, other)
        return builder.extract_element(total, ir.Constant(ir.IntType(32), 0))

    return types.int32(types.intp), codegen


_TILE_BYTES = 1024
_NUMBERS = np.random.default_rng(0).integers(0, 256, 2 * _TILE_BYTES, dtype=np.uint8)


@intrinsic
def _multiply_tiles(typingctx: Any, n: Any, numbers: Any) -> Any:
    """The four sums of a tile, n times. numbers [2048] uint8: the weights; the inputs too."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        place = data_of(context, builder, signature, args, 1)
        intp = ir.IntType(64)
        emit_layout(builder)
        inputs = [place, builder.gep(place, [intp(_TILE_BYTES)])]
        emit_products(builder, HALVES, place, inputs, intp(64), place, intp(0))
        with cgutils.for_range(builder, args[0]):
            emit_tile_sums(builder, HALVES)
        emit_release(builder)
        return context.get_constant(types.int32, 0)

    return types.int32(types.intp, numbers), codegen


@numba.njit(nogil=True)
def _run_tiles(n: int, numbers: Any) -> int:
    return _multiply_tiles(n, numbers)


@numba.njit(nogil=True)
def _run_vectors(n: int) -> int:
    return _multiply(n)


def _run(n: int) -> int:
    return int(_run_tiles(n, _NUMBERS) if TIER.has_amx else _run_vectors(n))


def products_per_second(n_threads: int) -> float:
    """Of all threads together; the best of a few passes."""
    _run(1)
    n = _FEW
    while (seconds := _seconds(_run, n)) < _SECONDS / 4:
        n *= 2
    n = int(n * _SECONDS / seconds)
    with ThreadPoolExecutor(n_threads) as pool:
        best = min(_seconds(lambda: list(pool.map(_run, [n] * n_threads))) for _ in range(_PASSES))
    return n * _PRODUCTS * n_threads / best


def _seconds(work: Callable[..., object], *arguments: object) -> float:
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started
