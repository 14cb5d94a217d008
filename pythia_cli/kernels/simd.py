"""Intrinsics that Numba lacks: bit casts, float sums in a fixed order, the int8 x int16 dot tile.

The tile is chosen from the features that Numba compiles for. On x86 it is a register tile around
`vpmaddwd`, exact on int16 pairs; LLVM fuses it with its sum into `vpdpwssd` where there is VNNI.
Elsewhere VECTOR is 0 and `matmul` leaves its plain loop to LLVM's vectoriser.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.registry import cpu_target
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_FLOAT = ir.FloatType()

LANES = 16


def _compiled_for(feature: str) -> bool:
    features: str = cpu_target.target_context.codegen()._tm_features
    return f"+{feature}" in features.split(",")


if _compiled_for("avx512bw"):
    # 32 vector registers: 24 sums, 4 activations, 1 weight.
    VECTOR, TILE_ROWS, TILE_TOKENS, _MADD = 32, 6, 4, "llvm.x86.avx512.pmaddw.d.512"
elif _compiled_for("avx2"):
    # 16 vector registers: 12 sums, 1 weight, activations as memory operands.
    VECTOR, TILE_ROWS, TILE_TOKENS, _MADD = 16, 3, 4, "llvm.x86.avx2.pmadd.wd"
else:
    VECTOR, TILE_ROWS, TILE_TOKENS, _MADD = 0, 1, 1, ""


@intrinsic
def float_from_bits(typingctx: Any, bits: Any) -> Any:
    """The float32 whose bits are those of the int32 `bits`."""

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
    """The sum of x[:n], contiguous float32, in LANES lanes: the same order on every machine."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = make_array(signature.args[0])(context, builder, args[0]).data

        def term(at: Any, kind: Any) -> Any:
            return _load(builder, data, at, kind, align=4)

        return _emit_lane_sum(builder, args[1], term)

    return types.float32(x, types.intp), codegen


@intrinsic
def lane_dot(typingctx: Any, x: Any, y: Any, n: Any) -> Any:
    """The dot product of x[:n] and y[:n], contiguous float32, in the order of lane_sum."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        x_data, y_data = (
            make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 1)
        )

        def term(at: Any, kind: Any) -> Any:
            return builder.fmul(
                _load(builder, x_data, at, kind, align=4), _load(builder, y_data, at, kind, align=4)
            )

        return _emit_lane_sum(builder, args[2], term)

    return types.float32(x, y, types.intp), codegen


def _load(builder: Any, row: Any, at: Any, kind: Any, align: int) -> Any:
    address = builder.bitcast(builder.gep(row, [at]), kind.as_pointer())
    return builder.load(address, align=align)


def _emit_lane_sum(builder: Any, n: Any, term: Any) -> Any:
    """Element i is added to lane i % LANES; then the upper half to the lower, down to one."""
    floats = ir.VectorType(_FLOAT, LANES)
    lane_count = _I64(LANES)
    n_whole = builder.sub(n, builder.srem(n, lane_count))
    zeros = ir.Constant(floats, [0.0] * LANES)
    lanes = cgutils.alloca_once_value(builder, zeros)
    with cgutils.for_range_slice(builder, _I64(0), n_whole, lane_count) as (at, _):
        builder.store(builder.fadd(builder.load(lanes), term(at, floats)), lanes)
    with cgutils.for_range_slice(builder, n_whole, n, _I64(1)) as (at, _):
        lane = builder.sub(at, n_whole)
        vector = builder.load(lanes)
        value = builder.fadd(builder.extract_element(vector, lane), term(at, _FLOAT))
        builder.store(builder.insert_element(vector, value, lane), lanes)
    vector = builder.load(lanes)
    width = LANES
    while width > 1:
        width //= 2
        low, high = (
            ir.Constant(ir.VectorType(_I32, width), list(range(first, first + width)))
            for first in (0, width)
        )
        vector = builder.fadd(
            builder.shuffle_vector(vector, vector, low),
            builder.shuffle_vector(vector, vector, high),
        )
    return builder.extract_element(vector, _I64(0))


def _dot_tile(n_rows: int, n_tokens: int) -> Any:
    """An intrinsic: out[r * n_tokens + t] = sum_k w.flat[w_at + r*stride + k] * x.flat[x_at + ...].

    w int8 and x int16 are contiguous, both with rows of `stride` elements; `k` is a positive
    multiple of VECTOR. Sums are int32: the caller keeps |x| small enough for them.
    """

    @intrinsic
    def dot_tile(
        typingctx: Any,
        w: Any,
        w_at: Any,
        x: Any,
        x_at: Any,
        w_row: Any,
        x_row: Any,
        k: Any,
        out: Any,
    ) -> Any:
        index = types.intp
        signature = types.void(w, index, x, index, index, index, index, out)

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            _, w_at, _, x_at, w_row, x_row, k, _ = args
            w_data, x_data, out_data = (
                make_array(signature.args[i])(context, builder, args[i]).data for i in (0, 2, 7)
            )
            _emit_dot_tile(
                builder, n_rows, n_tokens,
                [builder.gep(w_data, [builder.add(w_at, builder.mul(w_row, _I64(r)))])
                 for r in range(n_rows)],
                [builder.gep(x_data, [builder.add(x_at, builder.mul(x_row, _I64(t)))])
                 for t in range(n_tokens)],
                k, out_data,
            )  # fmt: skip
            return context.get_dummy_value()

        return signature, codegen

    return dot_tile


def _emit_dot_tile(
    builder: Any, n_rows: int, n_tokens: int, w_rows: list[Any], x_rows: list[Any], k: Any, out: Any
) -> None:
    """The loop over k with one vector sum for each (row, token), then their horizontal sums."""
    int8s, int16s = ir.VectorType(_I8, VECTOR), ir.VectorType(_I16, VECTOR)
    int32s = ir.VectorType(_I32, VECTOR // 2)
    module = builder.module
    madd = cgutils.get_or_insert_function(module, ir.FunctionType(int32s, [int16s, int16s]), _MADD)
    horizontal_sum = cgutils.get_or_insert_function(
        module, ir.FunctionType(_I32, [int32s]), f"llvm.vector.reduce.add.v{VECTOR // 2}i32"
    )

    before = builder.block
    loop = builder.append_basic_block("dot_tile")
    after = builder.append_basic_block("dot_tile.sums")
    builder.branch(loop)

    builder.position_at_end(loop)
    at = builder.phi(_I64)
    at.add_incoming(_I64(0), before)
    places = [(r, t) for r in range(n_rows) for t in range(n_tokens)]
    sums = {place: builder.phi(int32s) for place in places}
    xs = [_load(builder, row, at, int16s, align=2) for row in x_rows]
    new_sums = {}
    for r, row in enumerate(w_rows):
        w = builder.sext(_load(builder, row, at, int8s, align=1), int16s)
        for t in range(n_tokens):
            new_sums[r, t] = builder.add(sums[r, t], builder.call(madd, [w, xs[t]]))
    zeros = ir.Constant(int32s, [0] * (VECTOR // 2))
    for place in places:
        sums[place].add_incoming(zeros, before)
        sums[place].add_incoming(new_sums[place], loop)
    next_at = builder.add(at, _I64(VECTOR))
    at.add_incoming(next_at, loop)
    builder.cbranch(builder.icmp_signed("<", next_at, k), loop, after)

    builder.position_at_end(after)
    for i, place in enumerate(places):
        builder.store(builder.call(horizontal_sum, [new_sums[place]]), builder.gep(out, [_I64(i)]))


if VECTOR:
    dot_one = _dot_tile(1, 1)
    dot_row = _dot_tile(1, TILE_TOKENS)
    dot_tile = _dot_tile(TILE_ROWS, TILE_TOKENS)
