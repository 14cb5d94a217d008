"""Register tiles of int8 weights times int16 activations, around `vpmaddwd`: exact on int16 pairs.

LLVM fuses it with its sum into `vpdpwssd` where there is VNNI.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pythia_cli.kernels.simd import MADD, TILE_ROWS, VECTOR, data_of, load

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_FLOAT = ir.FloatType()
_STREAM_AHEAD = 2048  # bytes; of 512 to 8192 the fastest (docs/log.md)


@intrinsic
def dot(typingctx: Any, w: Any, w_at: Any, x: Any, x_at: Any, k: Any) -> Any:
    """sum_i w.flat[w_at + i] * x.flat[x_at + i] over i < k, int32; for contiguous int8 w, int16 x.

    k is a positive multiple of VECTOR; the caller keeps |x| small enough for the sum.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        _, w_at, _, x_at, k = args
        w_row = builder.gep(data_of(context, builder, signature, args, 0), [w_at])
        x_row = builder.gep(data_of(context, builder, signature, args, 2), [x_at])
        ((vector,),) = _emit_dots(builder, [w_row], [x_row], k, _STREAM_AHEAD)
        return _lane_sum(builder, vector)

    return types.int32(w, types.intp, x, types.intp, types.intp), codegen


def linear_tile(n_tokens: int) -> Any:
    """An intrinsic: `matmul` for TILE_ROWS rows of w and n_tokens rows of x."""

    @intrinsic
    def tile(
        typingctx: Any, w: Any, w_scales: Any, row: Any, x: Any, x_scales: Any, token: Any,
        d_in: Any, bias: Any, adds: Any, out: Any, d_out: Any,
    ) -> Any:  # fmt: skip
        """Rows row.. of w and bias, token.. of x; d_in a positive multiple of VECTOR."""

        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            place = _Place(context, builder, signature, args, TILE_ROWS, n_tokens)
            sums = _emit_dots(
                builder, place.w_rows, place.x_rows, place.d_in,
                0,
            )  # fmt: skip
            place.finish([sums[r][t] for t in range(n_tokens) for r in range(TILE_ROWS)])
            return context.get_dummy_value()

        index = types.intp
        signature = types.void(
            w, w_scales, index, x, x_scales, index, index, bias, types.boolean, out, index
        )
        return signature, codegen

    return tile


class _Place:
    """Where a tile's operands stand, and its results go: the arguments of linear_tile."""

    def __init__(
        self, context: Any, builder: Any, signature: Any, args: Any, n_rows: int, n_tokens: int
    ) -> None:
        self._builder = builder
        self._n_rows, self._n_tokens = n_rows, n_tokens
        self._row, self._token, self.d_in = args[2], args[5], args[6]
        self._adds, self._d_out = args[8], args[10]
        self._data = {i: data_of(context, builder, signature, args, i) for i in (0, 1, 3, 4, 7, 9)}
        self.w_rows = self._rows(0, self._row, n_rows)
        self.x_rows = self._rows(3, self._token, n_tokens)

    def _rows(self, i: int, first: Any, n: int) -> list[Any]:
        builder = self._builder
        places = [builder.mul(builder.add(first, _I64(j)), self.d_in) for j in range(n)]
        return [builder.gep(self._data[i], [place]) for place in places]

    def finish(self, vectors: list[Any]) -> None:
        """out (+)= the lane sums * scales + bias; vectors token by token."""
        builder, n_rows = self._builder, self._n_rows
        floats = ir.VectorType(_FLOAT, n_rows)
        w_scale = load(builder, self._data[1], self._row, floats, align=4)
        shift = load(builder, self._data[7], self._row, floats, align=4)
        t = 0
        while t < self._n_tokens:
            n = 1 << (min(self._n_tokens - t, VECTOR // 2 // n_rows).bit_length() - 1)
            totals = _emit_sums(builder, vectors[t * n_rows : (t + n) * n_rows])
            at = [builder.add(self._token, _I64(t + i)) for i in range(n)]
            x_scales = [builder.load(builder.gep(self._data[4], [a])) for a in at]
            x_scale = _joined(builder, [_splat(builder, scale, n_rows) for scale in x_scales])
            scale = builder.fmul(_joined(builder, [w_scale] * n), x_scale)
            value = builder.fmul(builder.sitofp(totals, scale.type), scale)
            value = builder.fadd(value, _joined(builder, [shift] * n))
            starts = [builder.add(builder.mul(a, self._d_out), self._row) for a in at]
            places = [
                builder.bitcast(builder.gep(self._data[9], [start]), floats.as_pointer())
                for start in starts
            ]
            old = _joined(builder, [builder.load(place, align=4) for place in places])
            # Adding -0.0 leaves every bit as it is.
            nothing = ir.Constant(old.type, [-0.0] * old.type.count)
            value = builder.fadd(value, builder.select(self._adds, old, nothing))
            for i, place in enumerate(places):
                part = list(range(i * n_rows, (i + 1) * n_rows))
                builder.store(_picked(builder, value, value, part), place, align=4)
            t += n


def _splat(builder: Any, value: Any, n: int) -> Any:
    """A vector of n times the value."""
    vector = builder.insert_element(
        ir.Constant(ir.VectorType(value.type, n), ir.Undefined), value, _I64(0)
    )
    return builder.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(_I32, n), [0] * n))


def _emit_dots(
    builder: Any, w_rows: list[Any], x_rows: list[Any], k: Any, ahead: int
) -> list[list[Any]]:
    """The loop over k: for each row of w and of x, a vector whose lanes sum to their dot.

    w is fetched `ahead` bytes before it is needed, where given: the processor's own prefetching
    ends at each page of 4 KiB, and so would stop at every tile.
    """
    int32s = ir.VectorType(_I32, VECTOR // 2)
    before = builder.block
    loop = builder.append_basic_block("dots")
    after = builder.append_basic_block("dots.end")
    builder.branch(loop)

    builder.position_at_end(loop)
    at = builder.phi(_I64)
    at.add_incoming(_I64(0), before)
    sums = [[builder.phi(int32s) for _ in x_rows] for _ in w_rows]
    xs = [_widened(builder, row, at) for row in x_rows]
    zeros = ir.Constant(int32s, [0] * (VECTOR // 2))
    new_sums = []
    for row_sums, row in zip(sums, w_rows, strict=True):
        if ahead:
            _prefetch(builder, builder.gep(row, [builder.add(at, _I64(ahead))]))
        w = _widened(builder, row, at)
        new_sums.append(
            [builder.add(old, _madd(builder, w, x)) for old, x in zip(row_sums, xs, strict=True)]
        )
        for old, new in zip(row_sums, new_sums[-1], strict=True):
            old.add_incoming(zeros, before)
            old.add_incoming(new, loop)
    next_at = builder.add(at, _I64(VECTOR))
    at.add_incoming(next_at, loop)
    builder.cbranch(builder.icmp_signed("<", next_at, k), loop, after)

    builder.position_at_end(after)
    return new_sums


def _prefetch(builder: Any, place: Any) -> None:
    """Into the second-level cache, for reading; an address that is none does no harm."""
    function_type = ir.FunctionType(ir.VoidType(), [_I8.as_pointer(), _I32, _I32, _I32])
    function = cgutils.get_or_insert_function(builder.module, function_type, "llvm.prefetch.p0i8")
    builder.call(function, [place, _I32(0), _I32(2), _I32(1)])


def _widened(builder: Any, row: Any, at: Any) -> Any:
    """VECTOR elements of a row of int8 or int16, as int16."""
    kind = ir.VectorType(row.type.pointee, VECTOR)
    vector = load(builder, row, at, kind, align=row.type.pointee.width // 8)
    int16s = ir.VectorType(_I16, VECTOR)
    return vector if kind == int16s else builder.sext(vector, int16s)


def _madd(builder: Any, a: Any, b: Any) -> Any:
    """int32 sums of the products of neighbouring int16 lanes."""
    int32s = ir.VectorType(_I32, VECTOR // 2)
    madd = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(int32s, [a.type, b.type]), MADD
    )
    return builder.call(madd, [a, b])


def _lane_sum(builder: Any, vector: Any) -> Any:
    function = cgutils.get_or_insert_function(
        builder.module,
        ir.FunctionType(_I32, [vector.type]),
        f"llvm.vector.reduce.add.v{vector.type.count}i32",
    )
    return builder.call(function, [vector])


def _emit_sums(builder: Any, vectors: list[Any]) -> Any:
    """The lane sums of vectors as one vector; 4 of them, 8 or 16.

    Four vectors are transposed and added within quarters of four lanes; then quarters are added,
    so that the sums of more and more vectors stand in one.
    """
    n_lanes = vectors[0].type.count
    quarters = range(0, n_lanes, 4)

    def in_quarters(*lanes: int) -> list[int]:
        """The same lanes of every quarter; 4 and up are those of the second vector."""
        return [
            q + lane if lane < 4 else n_lanes + q + lane - 4 for q in quarters for lane in lanes
        ]

    def halves_added(a: Any, b: Any, first: list[int], second: list[int]) -> Any:
        return builder.add(_picked(builder, a, b, first), _picked(builder, a, b, second))

    fours = []
    for a, b, c, d in zip(*[iter(vectors)] * 4, strict=True):
        ab = halves_added(a, b, in_quarters(0, 4, 1, 5), in_quarters(2, 6, 3, 7))
        cd = halves_added(c, d, in_quarters(0, 4, 1, 5), in_quarters(2, 6, 3, 7))
        fours.append(halves_added(ab, cd, in_quarters(0, 1, 4, 5), in_quarters(2, 3, 6, 7)))
    width = n_lanes  # lanes that belong to one four
    while width > 4:
        half = width // 2
        if len(fours) > 1:
            firsts = [i for at in range(0, 2 * n_lanes, width) for i in range(at, at + half)]
            fours = [
                halves_added(a, b, firsts, [i + half for i in firsts])
                for a, b in zip(fours[::2], fours[1::2], strict=True)
            ]
        else:
            (four,) = fours
            n = four.type.count
            firsts = [i for at in range(0, n, width) for i in range(at, at + half)]
            fours = [halves_added(four, four, firsts, [i + half for i in firsts])]
        width = half
    (joined,) = fours
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
