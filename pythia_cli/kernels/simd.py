"""Intrinsics that Numba lacks: bit casts, fma, and float sums in a fixed order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from pythia_cli.kernels.sizes import LANES
from pythia_cli.kernels.tiles.dot import load, loop

_I32, _I64 = ir.IntType(32), ir.IntType(64)
_FLOAT = ir.FloatType()


@intrinsic
def float_from_bits(typingctx: Any, bits: Any) -> Any:
    """The float32 with the bits of an int32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], _FLOAT)

    return types.float32(types.int32), codegen


@intrinsic
def bits_from_float(typingctx: Any, value: Any) -> Any:
    """The bits of a float32, as an int32."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], _I32)

    return types.int32(types.float32), codegen


@intrinsic
def fma(typingctx: Any, a: Any, b: Any, c: Any) -> Any:
    """a * b + c of float32s, rounded once on every machine."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fma(*args)

    return types.float32(types.float32, types.float32, types.float32), codegen


@intrinsic
def lane_sum(typingctx: Any, x: Any, n: Any) -> Any:
    """The sum of contiguous float32 x[:n], over LANES lanes, in the same order on all machines."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, args[0]).data

        def term(at: Any, kind: Any) -> Any:
            return load(builder, data, at, kind, align=4)

        return _emit_lane_sum(builder, args[1], term)

    return types.float32(x, types.intp), codegen


@intrinsic
def lane_dot(typingctx: Any, x: Any, y: Any, n: Any) -> Any:
    """The dot product of contiguous float32 x[:n] and y[:n], in the order of lane_sum."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x_data, y_data = (
            make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 1)
        )

        def term(at: Any, kind: Any) -> Any:
            return builder.fmul(
                load(builder, x_data, at, kind, align=4), load(builder, y_data, at, kind, align=4)
            )

        return _emit_lane_sum(builder, args[2], term)

    return types.float32(x, y, types.intp), codegen


@intrinsic
def least_lane_maximum(typingctx: Any, x: Any, n: Any) -> Any:
    """The least of LANES maxima: the i-th is that of contiguous float32 x[i], x[i + LANES], ..

    Up to n, which is a positive multiple of LANES. NaN counts as less than any other.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = data_of(context, builder, signature, args, 0)
        floats = ir.VectorType(_FLOAT, LANES)

        def larger(at: Any, values: list[Any]) -> list[Any]:
            new = load(builder, data, at, floats, align=4)
            return [builder.select(builder.fcmp_ordered(">", new, values[0]), new, values[0])]

        least = ir.Constant(floats, [float("-inf")] * LANES)
        (maxima,) = loop(builder, args[1], [least], larger, LANES)

        def smaller(a: Any, b: Any) -> Any:
            return builder.select(builder.fcmp_ordered("<", a, b), a, b)

        return reduced(builder, maxima, smaller)

    return types.float32(x, types.intp), codegen


def _emit_lane_sum(builder: Any, n: Any, term: Any) -> Any:
    return emit_lane_sums(builder, n, lambda at, kind: [term(at, kind)], 1)[0]


def emit_lane_sums(builder: Any, n: Any, terms: Any, n_sums: int) -> list[Any]:
    """Several sums over i < n. terms(i, kind) gives those of i, or of LANES from i on: a vector.

    Element i is added to lane i % LANES; then the upper half to the lower until one is left.
    """
    floats = ir.VectorType(_FLOAT, LANES)
    lane_count = _I64(LANES)
    n_whole = builder.sub(n, builder.srem(n, lane_count))
    zeros = ir.Constant(floats, [0.0] * LANES)
    sums = [cgutils.alloca_once_value(builder, zeros) for _ in range(n_sums)]
    with cgutils.for_range_slice(builder, _I64(0), n_whole, lane_count) as (at, _):
        for lanes, term in zip(sums, terms(at, floats), strict=True):
            builder.store(builder.fadd(builder.load(lanes), term), lanes)
    with cgutils.for_range_slice(builder, n_whole, n, _I64(1)) as (at, _):
        lane = builder.sub(at, n_whole)
        for lanes, term in zip(sums, terms(at, _FLOAT), strict=True):
            vector = builder.load(lanes)
            value = builder.fadd(builder.extract_element(vector, lane), term)
            builder.store(builder.insert_element(vector, value, lane), lanes)
    return [sum_of_lanes(builder, builder.load(lanes)) for lanes in sums]


def sum_of_lanes(builder: Any, vector: Any) -> Any:
    """The sum of LANES floats: the upper half is added to the lower until one is left."""
    return reduced(builder, vector, builder.fadd)


def reduced(builder: Any, vector: Any, joined: Callable[[Any, Any], Any]) -> Any:
    """One of LANES values: joined(lower half, upper half), until one is left."""
    width = LANES
    while width > 1:
        width //= 2
        low, high = (
            ir.Constant(ir.VectorType(_I32, width), list(range(first, first + width)))
            for first in (0, width)
        )
        vector = joined(
            builder.shuffle_vector(vector, vector, low),
            builder.shuffle_vector(vector, vector, high),
        )
    return builder.extract_element(vector, _I64(0))


def data_of(context: Any, builder: Any, signature: Any, args: Any, i: int) -> Any:
    """The data pointer of the array that is argument i."""
    return make_array(signature.args[i])(context, builder, args[i]).data


def shape_of(context: Any, builder: Any, signature: Any, args: Any, i: int) -> list[Any]:
    """The lengths of the array that is argument i."""
    array = make_array(signature.args[i])(context, builder, args[i])
    return list(cgutils.unpack_tuple(builder, array.shape))
