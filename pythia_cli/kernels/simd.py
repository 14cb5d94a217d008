"""Intrinsics that Numba lacks: bit casts, float sums in a fixed order, integer dot products.

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

from pythia_cli.kernels.layout import KEY_BLOCK

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_FLOAT = ir.FloatType()

LANES = KEY_BLOCK


def _compiled_for(feature: str) -> bool:
    features: str = cpu_target.target_context.codegen()._tm_features
    return f"+{feature}" in features.split(",")


TILE_ROWS = 4
"""Rows of weights in a tile of `linear_tile`; TILE_TOKENS and QUERIES, VECTORS are a tier's own.

QUERIES by VECTORS of LANES floats are the sums of attention that stay in registers.
"""

if _compiled_for("avx512bw"):
    # 32 vector registers: 24 sums, 4 weights, 1 activation.
    QUERIES, VECTORS = 8, 2
    VECTOR, TILE_TOKENS, _MADD = 32, 6, "llvm.x86.avx512.pmaddw.d.512"
elif _compiled_for("avx2"):
    # 16 vector registers: 8 sums, 2 activations, 1 weight, 1 product.
    QUERIES, VECTORS = 4, 1
    VECTOR, TILE_TOKENS, _MADD = 16, 2, "llvm.x86.avx2.pmadd.wd"
else:
    QUERIES, VECTORS = 4, 1
    VECTOR, TILE_TOKENS, _MADD = 0, 1, ""


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


@intrinsic
def dot(typingctx: Any, w: Any, w_at: Any, x: Any, x_at: Any, k: Any) -> Any:
    """sum_i w.flat[w_at + i] * x.flat[x_at + i] over i < k, int32; for contiguous int8 w, int16 x.

    k is a positive multiple of VECTOR; the caller keeps |x| small enough for the sum.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, w_at, _, x_at, k = args
        w_row = builder.gep(_data(context, builder, signature, args, 0), [w_at])
        x_row = builder.gep(_data(context, builder, signature, args, 2), [x_at])
        ((vector,),) = _emit_dots(builder, [w_row], [x_row], k)
        horizontal_sum = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(_I32, [vector.type]),
            f"llvm.vector.reduce.add.v{VECTOR // 2}i32",
        )
        return builder.call(horizontal_sum, [vector])

    return types.int32(w, types.intp, x, types.intp, types.intp), codegen


def linear_tile(n_tokens: int) -> Any:
    """An intrinsic: `matmul` for TILE_ROWS rows of w and n_tokens rows of x."""
    n_rows = TILE_ROWS

    @intrinsic
    def tile(
        typingctx: Any, w: Any, w_scales: Any, row: Any, x: Any, x_scales: Any, token: Any,
        d_in: Any, bias: Any, adds: Any, out: Any, d_out: Any,
    ) -> Any:  # fmt: skip
        """Rows row.. of w and bias, token.. of x; d_in a positive multiple of VECTOR."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            _, _, row, _, _, token, d_in, _, adds, _, d_out = args
            data = {i: _data(context, builder, signature, args, i) for i in (0, 1, 3, 4, 7, 9)}

            def rows(i: int, first: Any, n: int, stride: Any) -> list[Any]:
                places = [builder.mul(builder.add(first, _I64(j)), stride) for j in range(n)]
                return [builder.gep(data[i], [place]) for place in places]

            w_rows, x_rows = rows(0, row, n_rows, d_in), rows(3, token, n_tokens, d_in)
            sums = _emit_dots(builder, w_rows, x_rows, d_in)
            floats = ir.VectorType(_FLOAT, n_rows)
            w_scale = _load(builder, data[1], row, floats, align=4)
            shift = _load(builder, data[7], row, floats, align=4)
            t = 0
            while t < n_tokens:
                n = 1 << (min(n_tokens - t, VECTOR // 2 // n_rows).bit_length() - 1)
                totals = _emit_sums(
                    builder, [[sums[r][t + i] for r in range(n_rows)] for i in range(n)]
                )
                at = [builder.add(token, _I64(t + i)) for i in range(n)]
                x_scale = _joined(
                    builder,
                    [_splat(builder, builder.load(builder.gep(data[4], [a])), n_rows) for a in at],
                )
                scale = builder.fmul(_joined(builder, [w_scale] * n), x_scale)
                value = builder.fmul(builder.sitofp(totals, scale.type), scale)
                value = builder.fadd(value, _joined(builder, [shift] * n))
                places = [
                    builder.bitcast(
                        builder.gep(data[9], [builder.add(builder.mul(a, d_out), row)]),
                        floats.as_pointer(),
                    )
                    for a in at
                ]
                old = _joined(builder, [builder.load(place, align=4) for place in places])
                # Adding -0.0 leaves every bit as it is.
                nothing = ir.Constant(old.type, [-0.0] * old.type.count)
                value = builder.fadd(value, builder.select(adds, old, nothing))
                for i, place in enumerate(places):
                    part = list(range(i * n_rows, (i + 1) * n_rows))
                    builder.store(_picked(builder, value, value, part), place, align=4)
                t += n
            return context.get_dummy_value()

        index = types.intp
        return types.void(
            w, w_scales, index, x, x_scales, index, index, bias, types.boolean, out, index
        ), codegen

    return tile


def _splat(builder: Any, value: Any, n: int) -> Any:
    """A vector of n times the value."""
    vector = builder.insert_element(
        ir.Constant(ir.VectorType(value.type, n), ir.Undefined), value, _I64(0)
    )
    return builder.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(_I32, n), [0] * n))


def _data(context: Any, builder: Any, signature: Any, args: Any, i: int) -> Any:
    """The data pointer of the array that is argument i."""
    return make_array(signature.args[i])(context, builder, args[i]).data


def _emit_dots(builder: Any, w_rows: list[Any], x_rows: list[Any], k: Any) -> list[list[Any]]:
    """The loop over k: for each row of w and of x, a vector whose lanes sum to their dot."""
    int8s, int16s = ir.VectorType(_I8, VECTOR), ir.VectorType(_I16, VECTOR)
    int32s = ir.VectorType(_I32, VECTOR // 2)
    madd = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(int32s, [int16s, int16s]), _MADD
    )
    before = builder.block
    loop = builder.append_basic_block("dots")
    after = builder.append_basic_block("dots.end")
    builder.branch(loop)

    builder.position_at_end(loop)
    at = builder.phi(_I64)
    at.add_incoming(_I64(0), before)
    sums = [[builder.phi(int32s) for _ in x_rows] for _ in w_rows]
    xs = [_load(builder, row, at, int16s, align=2) for row in x_rows]
    zeros = ir.Constant(int32s, [0] * (VECTOR // 2))
    new_sums = []
    for row_sums, row in zip(sums, w_rows, strict=True):
        w = builder.sext(_load(builder, row, at, int8s, align=1), int16s)
        new_sums.append(
            [builder.add(s, builder.call(madd, [w, x])) for s, x in zip(row_sums, xs, strict=True)]
        )
        for old, new in zip(row_sums, new_sums[-1], strict=True):
            old.add_incoming(zeros, before)
            old.add_incoming(new, loop)
    next_at = builder.add(at, _I64(VECTOR))
    at.add_incoming(next_at, loop)
    builder.cbranch(builder.icmp_signed("<", next_at, k), loop, after)

    builder.position_at_end(after)
    return new_sums


def _emit_sums(builder: Any, vectors: list[list[Any]]) -> Any:
    """The lane sums of vectors[t][r], r < 4, as one vector in that order; a power of two of them.

    Within quarters of four lanes, rows are transposed and added; then quarters are added, so that
    those of more and more tokens stand in one vector.
    """
    n_lanes = vectors[0][0].type.count
    quarters = range(0, n_lanes, 4)

    def in_quarters(*lanes: int) -> list[int]:
        """The same lanes of every quarter; 4 and up are those of the second vector."""
        return [
            q + lane if lane < 4 else n_lanes + q + lane - 4 for q in quarters for lane in lanes
        ]

    def halves_added(a: Any, b: Any, first: list[int], second: list[int]) -> Any:
        return builder.add(_picked(builder, a, b, first), _picked(builder, a, b, second))

    tokens = []
    for rows in vectors:
        a, b, c, d = rows
        ab = halves_added(a, b, in_quarters(0, 4, 1, 5), in_quarters(2, 6, 3, 7))
        cd = halves_added(c, d, in_quarters(0, 4, 1, 5), in_quarters(2, 6, 3, 7))
        tokens.append(halves_added(ab, cd, in_quarters(0, 1, 4, 5), in_quarters(2, 3, 6, 7)))
    width = n_lanes  # lanes that belong to one token
    while width > 4:
        half = width // 2
        if len(tokens) > 1:
            firsts = [i for at in range(0, 2 * n_lanes, width) for i in range(at, at + half)]
            tokens = [
                halves_added(a, b, firsts, [i + half for i in firsts])
                for a, b in zip(tokens[::2], tokens[1::2], strict=True)
            ]
        else:
            (token,) = tokens
            n = token.type.count
            firsts = [i for at in range(0, n, width) for i in range(at, at + half)]
            tokens = [halves_added(token, token, firsts, [i + half for i in firsts])]
        width = half
    (joined,) = tokens
    return joined


def _picked(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    """The lanes of a and, counted on from a's, of b."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, len(lanes)), lanes))


def _joined(builder: Any, vectors: list[Any]) -> Any:
    """Vectors one behind the other; a power of two of them."""
    while len(vectors) > 1:
        both = list(range(2 * vectors[0].type.count))
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [_picked(builder, a, b, both) for a, b in pairs]
    return vectors[0]
