"""Products of int8 weights and activations of 16 or 8 bits, exact, for the loop of emit_dots.

16 bits, int16: x86 uses `vpmaddwd`: products of int16, added in pairs. ARM's `sdot` multiplies
bytes, so each activation is split into two signed bytes. Each byte has its own sum; they are
combined at the end.

8 bits, uint8: x86 uses `vpdpbusd` where it has VNNI: four products of bytes are added. ARM's `sdot`
wants signed bytes, so it gets x - 128. Other processors widen both to int16, as for 16 bits.

A single token of 16 bits is split into two signed bytes once for all rows (halves.py), and
`vpdpbusd` multiplies these, too. It wants its other operand unsigned: weights get an offset.

With a token in each lane (tiles/lanes.py), x86 has the same instructions. Weights may have been
widened to int16 before; with them the instruction is `vpdpwssd`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from pythia_cli.jit.tiers import Tier
from pythia_cli.kernels.sizes import LANES
from pythia_cli.kernels.tiles.dot import function, load, picked, splat

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))

WEIGHT_OFFSET = 128
"""What half_dots adds to each weight."""


def joined_halves(builder: Any, high: Any, low: Any) -> Any:
    """The sums of int16s, from those of their bytes."""
    eight = ir.Constant(high.type, [8] * high.type.count)
    return builder.add(builder.shl(high, eight), low)


def exact_dots(builder: Any, tier: Tier) -> Any:
    """How to multiply int8 weights and int16 activations, for emit_dots."""
    return (_SplitDots if "sdot" in tier.instruction else _PairDots)(builder, tier)


def byte_dots(builder: Any, tier: Tier) -> Any:
    """How to multiply int8 weights and uint8 activations, for emit_dots.

    The sums are those of x - byte_offset(tier).
    """
    return (_ByteDots if tier.byte_instruction else _WidenedDots)(builder, tier)


def half_dots(builder: Any, tier: Tier) -> Any:
    """How to multiply int8 weights and the two bytes of int16 activations, for emit_dots.

    Only for a tier that has_halves. Rows of activations are pairs of addresses: of the high bytes
    and of the low ones, both signed. The sums are those of weights + WEIGHT_OFFSET.
    """
    return _HalfDots(builder, tier)


def byte_offset(tier: Tier) -> int:
    """What byte_dots takes off each activation."""
    return 128 if "sdot" in tier.byte_instruction else 0


def exact_lanes(builder: Any, tier: Tier, is_widened: bool) -> Any:
    """As exact_dots, with the int16s of a token in each lane. Only for a tier that has_lanes.

    is_widened: whether the weights are int16s, too.
    """
    return (_WidePairLanes if is_widened else _PairLanes)(builder, tier)


def byte_lanes(builder: Any, tier: Tier) -> Any:
    """As byte_dots, with the uint8s of a token in each lane. Only for a tier that has_lanes."""
    return _ByteLanes(builder, tier)


class _PairDots:
    """With `vpmaddwd`: one vector of tier.vector / 2 int32 sums."""

    n_parts = 1

    def __init__(self, builder: Any, tier: Tier) -> None:
        self._builder = builder
        self.vector = tier.vector
        self._int16s = ir.VectorType(_I16, tier.vector)
        self.sums = ir.VectorType(_I32, tier.vector // 2)
        self._madd = function(builder, tier.instruction, self.sums, [self._int16s, self._int16s])

    def weights(self, row: Any, at: Any) -> Any:
        int8s = ir.VectorType(_I8, self._int16s.count)
        return self._builder.sext(load(self._builder, row, at, int8s, align=1), self._int16s)

    def activations(self, row: Any, at: Any) -> Any:
        return load(self._builder, row, at, self._int16s, align=2)

    def added(self, parts: list[Any], w: Any, x: Any) -> list[Any]:
        return [self._builder.add(parts[0], self._builder.call(self._madd, [w, x]))]

    def joined(self, parts: list[Any]) -> Any:
        return parts[0]


class _TwoBytes:
    """x = 256 * high + low, signed bytes (|x| <= 32639): each has a sum of its own."""

    n_parts = 2
    _builder: Any
    _dot: Any

    def added(self, parts: list[Any], w: Any, x: tuple[Any, Any]) -> list[Any]:
        pairs = zip(parts, x, strict=True)
        return [self._builder.call(self._dot, [part, w, half]) for part, half in pairs]

    def joined(self, parts: list[Any]) -> Any:
        return joined_halves(self._builder, *parts)


class _SplitDots(_TwoBytes):
    """With `sdot`: two vectors of 4 int32. The loop splits activations."""

    def __init__(self, builder: Any, tier: Tier) -> None:
        self._builder = builder
        self.vector = self._n = tier.vector
        self._int8s = ir.VectorType(_I8, tier.vector)
        self.sums = ir.VectorType(_I32, tier.vector // 4)
        self._dot = function(
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
        self._dot = function(
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


class _HalfDots(_TwoBytes):
    """With `vpdpbusd`, of activations that are split, and weights with WEIGHT_OFFSET added.

    Weights need not be widened, so there are fewer instructions than with `vpmaddwd`.
    """

    def __init__(self, builder: Any, tier: Tier) -> None:
        self._builder = builder
        self.vector = tier.byte_vector
        self._int8s = ir.VectorType(_I8, tier.byte_vector)
        self.sums = ir.VectorType(_I32, tier.byte_vector // 4)
        self._dot = function(builder, tier.byte_instruction, self.sums, [self.sums] * 3)

    def weights(self, row: Any, at: Any) -> Any:
        signed = load(self._builder, row, at, self._int8s, align=1)
        offset = ir.Constant(self._int8s, [-WEIGHT_OFFSET] * self._int8s.count)
        return self._builder.bitcast(self._builder.xor(signed, offset), self.sums)

    def activations(self, row: tuple[Any, Any], at: Any) -> tuple[Any, Any]:
        high, low = (load(self._builder, half, at, self.sums, align=1) for half in row)
        return high, low


class _PairLanes(_PairDots):
    """Two int16s in a lane."""

    def __init__(self, builder: Any, tier: Tier) -> None:
        super().__init__(builder, tier)
        self.vector = 2

    def weights(self, row: Any, at: Any) -> Any:
        builder = self._builder
        both = splat(builder, _number(builder, row, at, _I16), LANES)
        return builder.sext(builder.bitcast(both, ir.VectorType(_I8, 2 * LANES)), self._int16s)

    def activations(self, row: Any, at: Any) -> Any:
        at = self._builder.mul(at, _I64(LANES // 2))
        return load(self._builder, row, at, self._int16s, align=4)


class _WidePairLanes(_PairLanes):
    """The same for weights of 16 bits. `row` is their address, as bytes."""

    def weights(self, row: Any, at: Any) -> Any:
        at = self._builder.mul(at, _I64(2))
        both = splat(self._builder, _number(self._builder, row, at, _I32), LANES)
        return self._builder.bitcast(both, self._int16s)

    def added(self, parts: list[Any], w: Any, x: Any) -> list[Any]:
        # LLVM splits vpdpwssd into vpmaddwd and vpaddd where it expects the sum to be waited for.
        # Inline assembly prevents that.
        kind = ir.FunctionType(self.sums, [self.sums, self._int16s, self._int16s])
        code = ir.InlineAsm(kind, "vpdpwssd $3, $2, $0", "=v,0,v,v")
        return [self._builder.call(code, [parts[0], w, x])]


class _ByteLanes(_ByteDots):
    """Four bytes in a lane."""

    def __init__(self, builder: Any, tier: Tier) -> None:
        super().__init__(builder, tier)
        self.vector = 4

    def weights(self, row: Any, at: Any) -> Any:
        return splat(self._builder, _number(self._builder, row, at, _I32), LANES)

    def activations(self, row: Any, at: Any) -> Any:
        at = self._builder.mul(at, _I64(LANES // 4))
        return load(self._builder, row, at, self.sums, align=4)


def _number(builder: Any, row: Any, at: Any, kind: Any) -> Any:
    place = builder.gep(row, [at])
    return builder.load(builder.bitcast(place, kind.as_pointer()), align=1)
