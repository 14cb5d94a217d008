"""LLVM code for exact integer dot products of int8 weights and activations of 16 or 8 bits.

16 bits, int16: x86 uses `vpmaddwd`: products of int16, added in pairs. ARM's `sdot` multiplies
bytes, so each activation is split into two signed bytes. Each byte has its own sum; they are
combined at the end.

8 bits, uint8: x86 uses `vpdpbusd` where it has VNNI: four products of bytes are added. ARM's `sdot`
wants signed bytes, so it gets x - 128. Other processors widen both to int16, as for 16 bits.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from pythia_cli.jit.tiers import Tier

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))


def exact_dots(builder: Any, tier: Tier) -> Any:
    """How to multiply int8 weights and int16 activations, for emit_dots."""
    return (_SplitDots if "sdot" in tier.instruction else _PairDots)(builder, tier)


def byte_dots(builder: Any, tier: Tier) -> Any:
    """How to multiply int8 weights and uint8 activations, for emit_dots.

    The sums are those of x - byte_offset(tier).
    """
    return (_ByteDots if tier.byte_instruction else _WidenedDots)(builder, tier)


def byte_offset(tier: Tier) -> int:
    """What byte_dots takes off each activation."""
    return 128 if "sdot" in tier.byte_instruction else 0


def emit_dots(
    builder: Any, dots: Any, w_rows: list[Any], x_rows: list[Any], k: Any, ahead: Any = None
) -> list[list[Any]]:
    """Emit a loop over k. For each row of w and x: an int32 vector; its lanes add up to the dot.

    w_rows point to int8, x_rows to what `dots` takes; k is a positive multiple of dots.vector. With
    `ahead`, an int64, w is prefetched that many bytes ahead: the processor's own prefetching stops
    at the end of each 4 KiB page, and needs some lines of each row to begin.
    """
    before = builder.block
    loop = builder.append_basic_block("dots")
    after = builder.append_basic_block("dots.end")
    builder.branch(loop)

    builder.position_at_end(loop)
    at = builder.phi(_I64)
    at.add_incoming(_I64(0), before)
    zeros = ir.Constant(dots.sums, [0] * dots.sums.count)
    sums = [[[builder.phi(dots.sums) for _ in range(dots.n_parts)] for _ in x_rows] for _ in w_rows]
    xs = [dots.activations(row, at) for row in x_rows]
    new_sums = []
    for row_sums, row in zip(sums, w_rows, strict=True):
        if ahead is not None:
            prefetch(builder, builder.gep(row, [builder.add(at, ahead)]))
        w = dots.weights(row, at)
        pairs = zip(row_sums, xs, strict=True)
        new_sums.append([dots.added(parts, w, x) for parts, x in pairs])
        for old_parts, new_parts in zip(row_sums, new_sums[-1], strict=True):
            for old, new in zip(old_parts, new_parts, strict=True):
                old.add_incoming(zeros, before)
                old.add_incoming(new, loop)
    next_at = builder.add(at, _I64(dots.vector))
    at.add_incoming(next_at, loop)
    builder.cbranch(builder.icmp_signed("<", next_at, k), loop, after)

    builder.position_at_end(after)
    return [[dots.joined(parts) for parts in row] for row in new_sums]


class _PairDots:
    """With `vpmaddwd`: one vector of tier.vector / 2 int32 sums."""

    n_parts = 1

    def __init__(self, builder: Any, tier: Tier) -> None:
        self._builder = builder
        self.vector = tier.vector
        self._int16s = ir.VectorType(_I16, tier.vector)
        self.sums = ir.VectorType(_I32, tier.vector // 2)
        self._madd = _function(builder, tier.instruction, self.sums, [self._int16s, self._int16s])

    def weights(self, row: Any, at: Any) -> Any:
        int8s = ir.VectorType(_I8, self._int16s.count)
        return self._builder.sext(load(self._builder, row, at, int8s, align=1), self._int16s)

    def activations(self, row: Any, at: Any) -> Any:
        return load(self._builder, row, at, self._int16s, align=2)

    def added(self, parts: list[Any], w: Any, x: Any) -> list[Any]:
        return [self._builder.add(parts[0], self._builder.call(self._madd, [w, x]))]

    def joined(self, parts: list[Any]) -> Any:
        return parts[0]


class _SplitDots:
    """With `sdot`: x = 256 * high + low, signed bytes (|x| <= 32639); two vectors of 4 int32."""

    n_parts = 2

    def __init__(self, builder: Any, tier: Tier) -> None:
        self._builder = builder
        self.vector = self._n = tier.vector
        self._int8s = ir.VectorType(_I8, tier.vector)
        self.sums = ir.VectorType(_I32, tier.vector // 4)
        self._sdot = _function(
            builder, tier.instruction, self.sums, [self.sums, self._int8s, self._int8s]
        )

    def weights(self, row: Any, at: Any) -> Any:
        return load(self._builder, row, at, self._int8s, align=1)

    def activations(self, row: Any, at: Any) -> tuple[Any, Any]:
        builder, n = self._builder, self._n
        x = load(builder, row, at, ir.VectorType(_I16, n), align=2)
        # Adding 128 rounds the high byte to nearest. The low byte is then 128 too large.
        x = builder.add(x, ir.Constant(x.type, [128] * n))
        in_bytes = builder.bitcast(x, ir.VectorType(_I8, 2 * n))
        low = picked(builder, in_bytes, in_bytes, list(range(0, 2 * n, 2)))
        high = picked(builder, in_bytes, in_bytes, list(range(1, 2 * n, 2)))
        return high, builder.xor(low, ir.Constant(low.type, [-128] * n))

    def added(self, parts: list[Any], w: Any, x: tuple[Any, Any]) -> list[Any]:
        pairs = zip(parts, x, strict=True)
        return [self._builder.call(self._sdot, [part, w, half]) for part, half in pairs]

    def joined(self, parts: list[Any]) -> Any:
        high, low = parts
        eight = ir.Constant(high.type, [8] * high.type.count)
        return self._builder.add(self._builder.shl(high, eight), low)


class _WidenedDots(_PairDots):
    """As _PairDots, with activations of 8 bits."""

    def activations(self, row: Any, at: Any) -> Any:
        int8s = ir.VectorType(_I8, self._int16s.count)
        return self._builder.zext(load(self._builder, row, at, int8s, align=1), self._int16s)


class _ByteDots:
    """With `vpdpbusd`, or with `sdot` and x - 128: one vector of int32 sums of four products."""

    n_parts = 1

    def __init__(self, builder: Any, tier: Tier) -> None:
        self._builder = builder
        self.vector = tier.byte_vector
        self._offset = byte_offset(tier)
        self._int8s = ir.VectorType(_I8, tier.byte_vector)
        self.sums = ir.VectorType(_I32, tier.byte_vector // 4)
        # LLVM types the operands of vpdpbusd as int32, those of sdot as bytes.
        self._operand = self._int8s if self._offset else self.sums
        self._dot = _function(
            builder, tier.byte_instruction, self.sums, [self.sums, self._operand, self._operand]
        )

    def weights(self, row: Any, at: Any) -> Any:
        return self._bytes(row, at)

    def activations(self, row: Any, at: Any) -> Any:
        x = self._bytes(row, at)
        if not self._offset:
            return x
        return self._builder.xor(x, ir.Constant(x.type, [-128] * x.type.count))

    def _bytes(self, row: Any, at: Any) -> Any:
        return load(self._builder, row, at, self._operand, align=1)

    def added(self, parts: list[Any], w: Any, x: Any) -> list[Any]:
        return [self._builder.call(self._dot, [parts[0], x, w])]

    def joined(self, parts: list[Any]) -> Any:
        return parts[0]


def load(builder: Any, row: Any, at: Any, kind: Any, align: int) -> Any:
    """Load a value of type `kind` from the address of row[at]."""
    address = builder.bitcast(builder.gep(row, [at]), kind.as_pointer())
    return builder.load(address, align=align)


def _function(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def prefetch(builder: Any, place: Any) -> None:
    """Prefetch into the L2 cache, for reading. An invalid address does no harm."""
    arguments = [_I8.as_pointer(), _I32, _I32, _I32]
    function = _function(builder, "llvm.prefetch.p0i8", ir.VoidType(), arguments)
    builder.call(function, [place, _I32(0), _I32(2), _I32(1)])


def lane_sum_of(builder: Any, vector: Any) -> Any:
    """The sum of a vector's lanes."""
    name = f"llvm.vector.reduce.add.v{vector.type.count}i32"
    function = _function(builder, name, _I32, [vector.type])
    return builder.call(function, [vector])


def emit_sums(builder: Any, vectors: list[Any]) -> Any:
    """The lane sums of 4, 8 or 16 vectors, as one vector.

    First, four vectors at a time are transposed and added within each quarter (four lanes). Then
    the quarters are added, which packs the sums of more and more vectors into one.
    """
    n_lanes = vectors[0].type.count
    quarters = range(0, n_lanes, 4)

    def in_quarters(*lanes: int) -> list[int]:
        """Indices of the given lanes in every quarter. 4 to 7 are lanes of the second vector."""
        return [
            q + lane if lane < 4 else n_lanes + q + lane - 4 for q in quarters for lane in lanes
        ]

    def halves_added(a: Any, b: Any, first: list[int], second: list[int]) -> Any:
        return builder.add(picked(builder, a, b, first), picked(builder, a, b, second))

    fours = []
    for a, b, c, d in zip(*[iter(vectors)] * 4, strict=True):
        ab = halves_added(a, b, in_quarters(0, 4, 1, 5), in_quarters(2, 6, 3, 7))
        cd = halves_added(c, d, in_quarters(0, 4, 1, 5), in_quarters(2, 6, 3, 7))
        fours.append(halves_added(ab, cd, in_quarters(0, 1, 4, 5), in_quarters(2, 3, 6, 7)))
    width = n_lanes  # lanes that hold the sums of one group of four
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


def picked(builder: Any, a: Any, b: Any, lanes: list[int]) -> Any:
    """The given lanes; those of b are numbered after those of a."""
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(_I32, len(lanes)), lanes))


def joined(builder: Any, vectors: list[Any]) -> Any:
    """Concatenate vectors; their number must be a power of two."""
    while len(vectors) > 1:
        both = list(range(2 * vectors[0].type.count))
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        vectors = [picked(builder, a, b, both) for a, b in pairs]
    return vectors[0]


def splat(builder: Any, value: Any, n: int) -> Any:
    """A vector of n copies of the value."""
    vector = builder.insert_element(
        ir.Constant(ir.VectorType(value.type, n), ir.Undefined), value, _I64(0)
    )
    return builder.shuffle_vector(vector, vector, ir.Constant(ir.VectorType(_I32, n), [0] * n))
