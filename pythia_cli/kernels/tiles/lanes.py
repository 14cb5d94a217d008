"""Tiles of `matmul` with a token in each lane, so that no vector has to be added up.

For them the quantized inputs of LANES tokens lie side by side (`pack_group`), as int32s of two
int16s or four bytes of a token. A step multiplies these by as many weights of a row, which are
copied to all lanes.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pythia_cli.jit.declare import PROCESSOR, TIER
from pythia_cli.jit.prefetch import emit_prefetch
from pythia_cli.kernels.simd import data_of, shape_of
from pythia_cli.kernels.sizes import LANES
from pythia_cli.kernels.tiles.dot import (
    emit_dots,
    load,
    picked,
    quarter_lanes,
    splat,
)
from pythia_cli.kernels.tiles.operands import Operands
from pythia_cli.kernels.tiles.products import byte_lanes, exact_lanes

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_INT32S, _FLOATS = ir.VectorType(_I32, LANES), ir.VectorType(ir.FloatType(), LANES)

LANE_ROWS, LANE_GROUPS = 8, 2
"""Rows of weights and groups of tokens in a tile: 16 sums hide the time that each takes."""

WIDENS_FIRST = TIER.has_lanes and not TIER.has_amx and not PROCESSOR.startswith("znver")
"""Whether weights are widened for inputs of 16 bits before tiles read them, once for all tokens.

Intel's processors have one port to copy 2 bytes to all lanes and to widen them there: a tile that
does both waits for it. AMD's have more.
"""

_AHEAD = 1024  # int32s; so far ahead lines are prefetched: others have read what was there before


@intrinsic
def lanes_tile(
    typingctx: Any, linear: Any, row: Any, x: Any, token: Any, d_in: Any, adds: Any, out: Any,
    d_out: Any, following: Any, n: Any, ahead: Any, n_ahead: Any, row_in_room: Any,
) -> Any:  # fmt: skip
    """`matmul` for LANE_ROWS rows of a linear and LANE_GROUPS of LANES tokens.

    From row `row` of the linear and `token` of x on, which is a multiple of LANES. Weights
    that are widened first are read from linear.room, from its row `row_in_room` on. Prefetches
    n * d_in bytes of x.lanes from the byte `following` on, and n_ahead * d_in weights of the linear
    from the one on that comes `ahead` after the row's first.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        operands = Operands(context, builder, signature, args[:8])
        is_widened = WIDENS_FIRST and not operands.is_bytes
        dots: Any
        if operands.is_bytes:
            dots = byte_lanes(builder, TIER)
        else:
            dots = exact_lanes(builder, TIER, is_widened)
        group = builder.sdiv(operands.token, _I64(LANES))
        size = builder.mul(operands.d_in, _I64(LANES // dots.vector))  # int32s of a group
        places = [builder.mul(builder.add(group, _I64(g)), size) for g in range(LANE_GROUPS)]
        x_rows = [builder.gep(operands.field(2, "lanes"), [place]) for place in places]
        following, n, ahead, n_ahead, row_in_room = args[8:]
        w_rows = operands.weight_rows(LANE_ROWS)
        weights = builder.gep(w_rows[0], [ahead])
        if is_widened:
            w_rows = operands.widened_rows(row_in_room, LANE_ROWS)
        lanes = builder.bitcast(operands.field(2, "lanes"), _I8.as_pointer())
        evenly = (
            (weights, n_ahead),
            (builder.gep(lanes, [following]), n),
        )
        sums = emit_dots(builder, dots, w_rows, x_rows, operands.d_in, evenly=evenly)
        for g in range(LANE_GROUPS):
            finish(operands, [row_sums[g] for row_sums in sums], g * LANES)
        return context.get_dummy_value()

    index = types.intp
    arguments = (
        linear, index, x, index, index, types.boolean, out, index, index, index, index,
        index, index,
    )  # fmt: skip
    return types.void(*arguments), codegen


def finish(
    operands: Operands, sums: list[Any], first: int, first_row: int = 0, n: Any = None
) -> None:
    """out = or += sums * scales + bias. sums: of 8 or 16 rows, with a token in each lane.

    They begin with the row `first_row` and the token `first`, counted from those of the operands.
    With n, only the first n tokens are written: it may be more than there are, or negative.
    """
    builder = operands.builder
    token = builder.add(operands.token, _I64(first))
    x_scale = operands.load(2, "scales", token, _FLOATS, n)
    values = []
    for r, total in enumerate(sums):
        row = builder.add(operands.row, _I64(first_row + r))

        def of_row(name: str, row: Any = row) -> Any:
            return splat(builder, operands.load(0, name, row), LANES)

        if operands.is_bytes:
            zeros = operands.load(2, "zeros", token, _INT32S, n)
            total = builder.sub(total, builder.mul(of_row("row_sums"), zeros))
        scale = builder.fmul(of_row("scales"), x_scale)
        value = builder.fmul(builder.sitofp(total, _FLOATS), scale)
        values.append(builder.fadd(value, of_row("bias")))
    operands.write(token, transposed(builder, values), first_row, n)


def transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """LANES vectors of the lanes of 8 or 16 rows.

    First, 4 by 4 numbers are transposed in each quarter of vectors. Then the quarters are.
    """

    def in_quarters(a: Any, b: Any, *lanes: int) -> Any:
        return picked(builder, a, b, quarter_lanes(LANES, *lanes))

    fours = []  # for each four rows, four vectors: of lane 0, 1, 2, 3 of all quarters
    for a, b, c, d in zip(*[iter(rows)] * 4, strict=True):
        (ab, ab2), (cd, cd2) = (
            [in_quarters(x, y, 0, 4, 1, 5), in_quarters(x, y, 2, 6, 3, 7)]
            for x, y in ((a, b), (c, d))
        )
        fours.append(
            [in_quarters(x, y, *lanes) for x, y in ((ab, cd), (ab2, cd2)) for lanes in _HALVES]
        )

    def quarters_of(a: Any, b: Any, *which: int) -> Any:
        """The given quarters; 4 to 7 are those of the second vector."""
        return picked(builder, a, b, [4 * q + lane for q in which for lane in range(4)])

    found: dict[int, Any] = {}
    for lane in range(4):
        column = [four[lane] for four in fours]
        for half, which in enumerate(_HALVES):
            pairs = [quarters_of(a, b, *which) for a, b in zip(*[iter(column)] * 2, strict=True)]
            for i, odd in enumerate(((0, 2, 4, 6), (1, 3, 5, 7))):
                part = quarters_of(pairs[0], pairs[-1], *odd[: 2 * len(pairs)])
                found[4 * (2 * half + i) + lane] = part
    return [found[lane] for lane in range(LANES)]


_HALVES = ((0, 1, 4, 5), (2, 3, 6, 7))


def token_numbers(builder: Any, first: Any, n: Any) -> list[Any]:
    """first, first + 1, .. for LANES tokens, but at most n - 1."""
    last = builder.sub(n, _I64(1))
    numbers = [builder.add(first, _I64(t)) for t in range(LANES)]
    return [builder.select(builder.icmp_signed("<", i, last), i, last) for i in numbers]


@intrinsic
def pack_group(typingctx: Any, q: Any, first: Any, n: Any, lanes: Any) -> Any:
    """lanes[i, t] = q[first + t, i] for t < LANES and i < n, a multiple of LANES; all int32s.

    q is an array of quantized inputs, with n int32s in a row; lanes [n, LANES]. In place of rows
    that q lacks, the last is taken.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source, target = (
            builder.bitcast(data_of(context, builder, signature, args, i), _I32.as_pointer())
            for i in (0, 3)
        )
        _, first, n, _ = args
        size = builder.mul(n, _I64(LANES))
        n_tokens = shape_of(context, builder, signature, args, 0)[0]
        tokens = token_numbers(builder, first, n_tokens)
        rows = [builder.gep(source, [builder.mul(token, n)]) for token in tokens]
        with cgutils.for_range_slice(builder, _I64(0), n, _I64(LANES)) as (at, _):
            vectors = [load(builder, row, at, _INT32S, align=4) for row in rows]
            for i, vector in enumerate(transposed(builder, vectors)):
                place = builder.mul(builder.add(at, _I64(i)), _I64(LANES))
                ahead = builder.add(place, _I64(_AHEAD))
                is_inside = builder.icmp_signed("<", ahead, size)
                ahead = builder.gep(target, [builder.select(is_inside, ahead, place)])
                emit_prefetch(builder, ahead, writes=True)
                address = builder.bitcast(builder.gep(target, [place]), _INT32S.as_pointer())
                builder.store(vector, address, align=4)
        return context.get_dummy_value()

    return types.void(q, types.intp, types.intp, lanes), codegen
