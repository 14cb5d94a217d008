"""Tiles of `matmul` in Intel's tile registers (AMX), with a token in each lane, as in lanes.py.

A register holds 16 rows of 64 bytes: of weights 64 of each row, of inputs, in each row, four of
each of LANES tokens. One instruction multiplies the weights with the tokens. It multiplies bytes,
signed or not: inputs of 16 bits are packed as their high bytes, signed, and behind them their low
ones, unsigned, and the sums of both are joined.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pythia_cli.jit.prefetch import CACHE_LINE, emit_prefetch
from pythia_cli.kernels.simd import data_of, shape_of
from pythia_cli.kernels.sizes import LANES
from pythia_cli.kernels.tiles.dot import function, load, picked
from pythia_cli.kernels.tiles.lanes import finish, token_numbers, transposed
from pythia_cli.kernels.tiles.operands import Operands
from pythia_cli.kernels.tiles.products import joined_halves

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_POINTER = _I8.as_pointer()
_INT32S = ir.VectorType(_I32, LANES)

_N_ROWS, _WIDTH = 16, 64  # of a register: its rows, and the bytes of each
_SIZE = _N_ROWS * _WIDTH
SUMS, _WEIGHTS, _INPUTS = ((0, 1), (2, 3)), (4, 5), (6, 7)
"""The registers of a tile. Those of sums by rows of weights, then by inputs."""
AMX_ROWS = len(_WEIGHTS) * _N_ROWS
"""Rows of weights in a tile."""
BYTES, HALVES = ("tdpbsud", "tdpbsud"), ("tdpbssd", "tdpbsud")
"""The instruction for each of two inputs: two groups of uint8s, or the halves of int16s."""

# For `ldtilecfg`: palette 1; at 16 the bytes in a row of each register; at 48 its rows.
_LAYOUT = bytes([1] + 15 * [0] + 8 * [_WIDTH, 0] + 16 * [0] + 8 * [_N_ROWS] + 8 * [0])


def _emit(builder: Any, name: str, *arguments: Any) -> None:
    kinds = [argument.type for argument in arguments]
    builder.call(function(builder, f"llvm.x86.{name}", ir.VoidType(), kinds), arguments)


def emit_layout(builder: Any) -> None:
    """Lay out this thread's tile registers. Until their release, switching threads takes longer."""
    constant = ir.Constant(ir.ArrayType(_I8, len(_LAYOUT)), bytearray(_LAYOUT))
    place = cgutils.global_constant(builder, "amx_layout", constant)
    place.align = CACHE_LINE
    _emit(builder, "ldtilecfg", builder.bitcast(place, _POINTER))


def emit_release(builder: Any) -> None:
    """Empty this thread's tile registers."""
    _emit(builder, "tilerelease")


def emit_products(
    builder: Any, kind: tuple[str, str], weights: Any, inputs: list[Any], d_in: Any, ahead: Any,
    n_lines: Any,
) -> None:  # fmt: skip
    """SUMS = the products of AMX_ROWS rows of weights, d_in long, with two packed inputs.

    kind: BYTES or HALVES. d_in is a multiple of 64. For each 64, n_lines cache lines are
    prefetched, from `ahead` on.
    """
    for registers in SUMS:
        for register in registers:
            _emit(builder, "tilezero", _I8(register))
    rows = [builder.gep(weights, [builder.mul(d_in, _I64(n * _N_ROWS))]) for n in range(len(SUMS))]
    with cgutils.for_range_slice(builder, _I64(0), d_in, _I64(_WIDTH)) as (at, _):
        for register, place in zip(_INPUTS, inputs, strict=True):
            part = builder.gep(place, [builder.mul(at, _I64(LANES))])
            _emit(builder, "tileloadd64", _I8(register), part, _I64(_WIDTH))
        for w, place in zip(_WEIGHTS, rows, strict=True):
            _emit(builder, "tileloadd64", _I8(w), builder.gep(place, [at]), d_in)
        emit_tile_sums(builder, kind)
        line = builder.gep(ahead, [builder.mul(at, n_lines)])
        with cgutils.for_range(builder, n_lines) as lines:
            emit_prefetch(builder, builder.gep(line, [builder.mul(lines.index, _I64(CACHE_LINE))]))


def emit_tile_sums(builder: Any, kind: tuple[str, str]) -> None:
    """SUMS += the products of the registers of weights and inputs."""
    for w, sums in zip(_WEIGHTS, SUMS, strict=True):
        for total, name, x in zip(sums, kind, _INPUTS, strict=True):
            _emit(builder, name, _I8(total), _I8(w), _I8(x))


def emit_store(builder: Any, place: Any) -> None:
    """Store SUMS from a place on: 16 rows of LANES int32s each."""
    for register in (register for registers in SUMS for register in registers):
        at = builder.gep(place, [_I64(register * _SIZE)])
        _emit(builder, "tilestored64", _I8(register), at, _I64(_WIDTH))


def _alone(emit: Callable[[Any], None]) -> Any:
    """An intrinsic that emits this and takes no arguments."""

    @intrinsic
    def alone(typingctx: Any) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            emit(builder)
            return context.get_dummy_value()

        return types.void(), codegen

    return alone


amx_begin, amx_end = _alone(emit_layout), _alone(emit_release)
"""What comes before `amx_tile` and behind it. The process needs permission (jit/amx.py)."""


@intrinsic
def amx_tile(
    typingctx: Any, linear: Any, row: Any, x: Any, token: Any, d_in: Any, adds: Any, out: Any,
    d_out: Any, ahead: Any, n_lines: Any,
) -> Any:  # fmt: skip
    """`matmul` for AMX_ROWS rows of a linear and LANES tokens, or 2 * LANES if x has bytes.

    From row `row` of the linear and `token` of x on, which is a multiple of LANES. There may be
    fewer tokens. Prefetches as emit_products, from `ahead` bytes behind the first weight on.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        operands = Operands(context, builder, signature, args[:8])
        is_bytes, d_in, n = operands.is_bytes, operands.d_in, operands.tokens_left()
        bytes_of_group = builder.mul(d_in, _I64(LANES if is_bytes else 2 * LANES))
        at = builder.mul(builder.sdiv(operands.token, _I64(LANES)), bytes_of_group)
        x_first = builder.gep(builder.bitcast(operands.field(2, "lanes"), _POINTER), [at])
        to_second = builder.mul(d_in, _I64(LANES))
        if is_bytes:  # the next group, or the same once more if there is none
            has_next = builder.icmp_signed(">", n, _I64(LANES))
            to_second = builder.select(has_next, to_second, _I64(0))
        inputs = [x_first, builder.gep(x_first, [to_second])]
        (weights,) = operands.weight_rows(1)
        kind = BYTES if is_bytes else HALVES
        following = builder.gep(weights, [args[8]])
        emit_products(builder, kind, weights, inputs, d_in, following, args[9])
        room = cgutils.alloca_once(builder, ir.ArrayType(_I8, 4 * _SIZE))
        room.align = CACHE_LINE
        room = builder.bitcast(room, _POINTER)
        emit_store(builder, room)
        for i, registers in enumerate(SUMS):
            first, second = (_rows(builder, room, register) for register in registers)
            if is_bytes:
                finish(operands, first, 0, i * _N_ROWS, n)
                finish(operands, second, LANES, i * _N_ROWS, builder.sub(n, _I64(LANES)))
            else:
                pairs = zip(first, second, strict=True)
                sums = [joined_halves(builder, *pair) for pair in pairs]
                finish(operands, sums, 0, i * _N_ROWS, n)
        return context.get_dummy_value()

    index = types.intp
    arguments = (linear, index, x, index, index, types.boolean, out, index, index, index)
    return types.void(*arguments), codegen


def _rows(builder: Any, room: Any, register: int) -> list[Any]:
    """The rows of a register that emit_store has stored."""
    first = register * _SIZE
    places = range(first, first + _SIZE, _WIDTH)
    return [load(builder, room, _I64(place), _INT32S, align=CACHE_LINE) for place in places]


@intrinsic
def pack_halves(typingctx: Any, q: Any, first: Any, n: Any, lanes: Any) -> Any:
    """lanes[i, t] = the high bytes of q[first + t, 4 i : 4 i + 4] for t < LANES, i < n.

    lanes[n + i, t]: the low ones. q is an int16 array, with 4 n numbers in a row; lanes
    [2 n, LANES] int32. n is a multiple of LANES. In place of rows that q lacks, the last is taken.
    """

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        source = data_of(context, builder, signature, args, 0)
        target = builder.bitcast(data_of(context, builder, signature, args, 3), _I32.as_pointer())
        _, first, n, _ = args
        width = builder.mul(n, _I64(4))
        n_tokens = shape_of(context, builder, signature, args, 0)[0]
        tokens = token_numbers(builder, first, n_tokens)
        rows = [builder.gep(source, [builder.mul(token, width)]) for token in tokens]
        int16s, in_bytes = ir.VectorType(_I16, 4 * LANES), ir.VectorType(_I8, 8 * LANES)
        with cgutils.for_range_slice(builder, _I64(0), n, _I64(LANES)) as (at, _):
            place = builder.mul(at, _I64(4))
            loaded = [load(builder, row, place, int16s, align=2) for row in rows]
            numbers = [builder.bitcast(vector, in_bytes) for vector in loaded]
            for half, byte in enumerate((1, 0)):
                every_other = list(range(byte, in_bytes.count, 2))
                halves = [picked(builder, b, b, every_other) for b in numbers]
                vectors = [builder.bitcast(part, _INT32S) for part in halves]
                to = builder.add(at, builder.mul(n, _I64(half)))
                for i, vector in enumerate(transposed(builder, vectors)):
                    place = builder.mul(builder.add(to, _I64(i)), _I64(LANES))
                    address = builder.bitcast(builder.gep(target, [place]), _INT32S.as_pointer())
                    builder.store(vector, address, align=4)
        return context.get_dummy_value()

    return types.void(q, types.intp, types.intp, lanes), codegen
