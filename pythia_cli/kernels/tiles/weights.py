"""From a row of scores to the weights of values, LANES positions at a time.

The operations are those of softmax.py (`largest_of`, `exp_nonpositive`) and simd.py (`lane_sum`),
in the same order, so the bits are too.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pythia_cli.kernels.simd import data_of, shape_of, sum_of_lanes
from pythia_cli.kernels.sizes import (
    EXP_POLYNOMIAL,
    LANES,
    LEAST_EXPONENT,
    LN2_HIGH,
    LN2_LOW,
    LOG2_E,
)
from pythia_cli.kernels.tiles.dot import function, load, loop, splat

_I16, _I32, _I64 = (ir.IntType(bits) for bits in (16, 32, 64))
_FLOAT = ir.FloatType()
_FLOATS, _INT32S, _INT16S = (ir.VectorType(kind, LANES) for kind in (_FLOAT, _I32, _I16))
_ZEROS = ir.Constant(_FLOATS, [0.0] * LANES)
_LEAST = -(2**31)


def _floats(value: Any) -> Any:
    return ir.Constant(_FLOATS, [float(value)] * LANES)


def _ints(value: int) -> Any:
    return ir.Constant(_INT32S, [value] * LANES)


def weighted_exponentials(n_queries: int) -> Any:
    """An intrinsic for n_queries rows together: one alone would wait for each of its operations."""

    @intrinsic
    def weighted(
        typingctx: Any, scores: Any, first: Any, n: Any, n_blocks: Any, value_scales: Any, sums: Any
    ) -> Any:
        """For rows first + j, j < n_queries, of scores, of which n + j positions are seen:

        scores[j, p] = exp(scores[j, p] - max_j) * value_scales[p] for positions that are seen, and
        0 for the others in n_blocks. sums[j] = the sum of the exponentials, the sum of the
        products, and the largest product.
        """

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            scores, value_scales, sums = (
                data_of(context, builder, signature, args, i) for i in (0, 4, 5)
            )
            _, first, n, n_blocks, _, _ = args
            stride = shape_of(context, builder, signature, args, 0)[1]
            rows = [
                builder.gep(scores, [builder.mul(builder.add(first, _I64(j)), stride)])
                for j in range(n_queries)
            ]
            end = builder.mul(n_blocks, _I64(LANES))
            lanes = [ir.Constant(_INT32S, list(range(-j, LANES - j))) for j in range(n_queries)]

            def seen(at: Any) -> list[Any]:
                """Which positions of each row from `at` on are seen."""
                left = splat(builder, builder.trunc(builder.sub(n, at), _I32), LANES)
                return [builder.icmp_signed("<", lane, left) for lane in lanes]

            def greatest(at: Any, tops: list[Any]) -> list[Any]:
                bits = (builder.bitcast(_loaded(builder, row, at), _INT32S) for row in rows)
                keys = [_ordered(builder, key) for key in bits]
                inside = zip(seen(at), keys, strict=True)
                keys = [builder.select(mask, key, _ints(_LEAST)) for mask, key in inside]
                return [_greater(builder, *both) for both in zip(tops, keys, strict=True)]

            tops = loop(builder, end, [_ints(_LEAST)] * n_queries, greatest, step=LANES)
            largest = [
                splat(builder, builder.bitcast(_unordered(builder, top), _FLOAT), LANES)
                for top in (_reduced(builder, top) for top in tops)
            ]

            def added(at: Any, values: list[Any]) -> list[Any]:
                xs = [
                    builder.fsub(_loaded(builder, row, at), most)
                    for row, most in zip(rows, largest, strict=True)
                ]
                es = _exponentials(builder, xs)
                inside = seen(at)
                es = [builder.select(m, e, _ZEROS) for m, e in zip(inside, es, strict=True)]
                scale = _loaded(builder, value_scales, at)
                products = [
                    builder.select(m, builder.fmul(e, scale), _ZEROS)
                    for m, e in zip(inside, es, strict=True)
                ]
                new = []
                for j, (row, e, product) in enumerate(zip(rows, es, products, strict=True)):
                    _stored(builder, product, row, at)
                    total, weight, top = values[3 * j : 3 * j + 3]
                    # Products are not negative, so their bits are in order; NaN is the largest.
                    key = builder.and_(builder.bitcast(product, _INT32S), _ints(0x7FFFFFFF))
                    new += [
                        builder.fadd(total, e),
                        builder.fadd(weight, product),
                        _greater(builder, top, key),
                    ]
                return new

            start = [_ZEROS, _ZEROS, _ints(_LEAST)] * n_queries
            values = loop(builder, end, start, added, step=LANES)
            for j in range(n_queries):
                total, weight, top = values[3 * j : 3 * j + 3]
                found = (
                    sum_of_lanes(builder, total),
                    sum_of_lanes(builder, weight),
                    builder.bitcast(_reduced(builder, top), _FLOAT),
                )
                for i, value in enumerate(found):
                    at = builder.add(builder.mul(first, _I64(3)), _I64(3 * j + i))
                    builder.store(value, builder.gep(sums, [at]))
            return context.get_dummy_value()

        index = types.intp
        return types.void(scores, index, index, index, value_scales, sums), codegen

    return weighted


@intrinsic
def to_levels(typingctx: Any, x: Any, factor: Any, n_blocks: Any, out: Any) -> Any:
    """out[p] = x[p] * factor, rounded to int16, for p < n_blocks * LANES."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x, out = (data_of(context, builder, signature, args, i) for i in (0, 3))
        _, factor, n_blocks, _ = args
        factors = splat(builder, factor, LANES)
        end = builder.mul(n_blocks, _I64(LANES))
        with cgutils.for_range_slice(builder, _I64(0), end, _I64(LANES)) as (at, _):
            level = _rounded(builder, builder.fmul(_loaded(builder, x, at), factors))
            _stored(builder, builder.trunc(builder.fptosi(level, _INT32S), _INT16S), out, at)
        return context.get_dummy_value()

    return types.void(x, types.float32, types.intp, out), codegen


def _exponentials(builder: Any, xs: list[Any]) -> list[Any]:
    """softmax.exp_nonpositive of vectors, step by step for all."""
    least = _floats(LEAST_EXPONENT)
    small = [builder.fcmp_ordered(">", x, least) for x in xs]
    zs = [builder.select(is_more, x, least) for is_more, x in zip(small, xs, strict=True)]
    ns = [_rounded(builder, builder.fmul(z, _floats(LOG2_E))) for z in zs]
    rs = [builder.fsub(z, builder.fmul(n, _floats(LN2_HIGH))) for z, n in zip(zs, ns, strict=True)]
    rs = [builder.fsub(r, builder.fmul(n, _floats(LN2_LOW))) for r, n in zip(rs, ns, strict=True)]
    first, *others = EXP_POLYNOMIAL
    ps = [_floats(first)] * len(xs)
    for coefficient in others:
        ps = [
            builder.fadd(builder.fmul(p, r), _floats(coefficient))
            for p, r in zip(ps, rs, strict=True)
        ]
    ps = [builder.fmul(builder.fmul(p, r), r) for p, r in zip(ps, rs, strict=True)]
    ps = [builder.fadd(builder.fadd(p, r), _floats(1.0)) for p, r in zip(ps, rs, strict=True)]
    powers = [builder.add(builder.fptosi(n, _INT32S), _ints(127)) for n in ns]
    powers = [builder.bitcast(builder.shl(power, _ints(23)), _FLOATS) for power in powers]
    values = [builder.fmul(p, power) for p, power in zip(ps, powers, strict=True)]
    found = []
    for x, value in zip(xs, values, strict=True):
        value = builder.select(builder.fcmp_ordered("<=", x, least), _ZEROS, value)
        found.append(builder.select(builder.fcmp_unordered("uno", x, x), x, value))
    return found


def _ordered(builder: Any, bits: Any) -> Any:
    """Int32s in the order of the floats with these bits."""
    return builder.xor(bits, builder.and_(builder.ashr(bits, _ints(31)), _ints(0x7FFFFFFF)))


def _unordered(builder: Any, key: Any) -> Any:
    """The bits of the float with this key."""
    return builder.xor(key, builder.and_(builder.ashr(key, _I32(31)), _I32(0x7FFFFFFF)))


def _greater(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.icmp_signed(">", a, b), a, b)


def _reduced(builder: Any, vector: Any) -> Any:
    """The largest lane."""
    name = f"llvm.vector.reduce.smax.v{LANES}i32"
    return builder.call(function(builder, name, _I32, [vector.type]), [vector])


def _rounded(builder: Any, x: Any) -> Any:
    name = f"llvm.rint.v{LANES}f32"
    return builder.call(function(builder, name, _FLOATS, [_FLOATS]), [x])


def _loaded(builder: Any, data: Any, at: Any) -> Any:
    return load(builder, data, at, _FLOATS, align=4)


def _stored(builder: Any, vector: Any, data: Any, at: Any) -> None:
    place = builder.bitcast(builder.gep(data, [at]), vector.type.as_pointer())
    builder.store(vector, place, align=4)
