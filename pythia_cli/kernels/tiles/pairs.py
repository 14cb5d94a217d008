"""Pieces of the tiles of attention: loads of int8s, products with int16s in pairs, and stores.

Sums are exact in int32, so their order does not matter. LLVM splits vectors of LANES numbers to the
width of the processor.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from pythia_cli.jit.declare import TIER
from pythia_cli.jit.prefetch import CACHE_LINE, emit_prefetch
from pythia_cli.kernels.sizes import LANES
from pythia_cli.kernels.tiles.dot import joined, load, picked, splat

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_INT32S, FLOATS = ir.VectorType(_I32, LANES), ir.VectorType(ir.FloatType(), LANES)
_INT16S, _INT8S = ir.VectorType(_I16, 2 * LANES), ir.VectorType(_I8, 2 * LANES)
ZEROS = ir.Constant(_INT32S, [0] * LANES)


def pointers(builder: Any, data: Any, at: Any, stride: Any, n: int) -> list[Any]:
    """n pointers into an array: to element `at`, then every `stride` elements."""
    return [builder.gep(data, [builder.add(at, builder.mul(stride, _I64(j)))]) for j in range(n)]


def widened(builder: Any, row: Any, at: Any) -> Any:
    """Load 2 * LANES int8s as int16s."""
    return builder.sext(load(builder, row, at, _INT8S, align=1), _INT16S)


def splat_pair(builder: Any, row: Any, i: Any) -> Any:
    """The int16s 2i and 2i + 1 of a row, LANES times."""
    pair = builder.load(builder.gep(builder.bitcast(row, _I32.as_pointer()), [i]), align=2)
    return builder.bitcast(splat(builder, pair, LANES), _INT16S)


def added_in_pairs(builder: Any, total: Any, a: Any, b: Any) -> Any:
    """total [LANES] int32 + the products of a and b [2 * LANES] int16, added in pairs."""
    if "pmadd" in TIER.instruction:
        n = TIER.vector
        int16s, int32s = ir.VectorType(_I16, n), ir.VectorType(_I32, n // 2)
        function = ir.FunctionType(int32s, [int16s, int16s])
        madd = cgutils.get_or_insert_function(builder.module, function, TIER.instruction)
        parts = [
            builder.call(madd, [picked(builder, x, x, list(range(at, at + n))) for x in (a, b)])
            for at in range(0, 2 * LANES, n)
        ]
        return builder.add(total, joined(builder, parts))
    for first in (0, 1):
        lanes = list(range(first, 2 * LANES, 2))
        x, y = (builder.sext(picked(builder, v, v, lanes), _INT32S) for v in (a, b))
        total = builder.add(total, builder.mul(x, y))
    return total


def fetch_ahead(builder: Any, place: Any, n_bytes: int) -> None:
    """Prefetch n_bytes, Tier.cache_ahead bytes after `place`: what a loop will read."""
    if TIER.cache_ahead:
        for line in range(0, n_bytes, CACHE_LINE):
            emit_prefetch(builder, builder.gep(place, [_I64(TIER.cache_ahead + line)]))


def store_floats(builder: Any, row: Any, vectors: list[Any]) -> None:
    """Store vectors of LANES float32s one after the other, from an address on."""
    for i, vector in enumerate(vectors):
        place = builder.gep(row, [_I64(i * LANES)])
        builder.store(vector, builder.bitcast(place, FLOATS.as_pointer()), align=4)
