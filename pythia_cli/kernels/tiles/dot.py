"""LLVM code for integer dot products: the loop of a tile, and vectors that are added up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba.core import cgutils

from pythia_cli.jit.prefetch import CACHE_LINE, emit_prefetch

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))


def emit_dots(
    builder: Any,
    dots: Any,
    w_rows: list[Any],
    x_rows: list[Any],
    k: Any,
    ahead: Any = None,
    evenly: tuple[tuple[Any, Any], ...] = (),
) -> list[list[Any]]:
    """Emit a loop over k. For each row of w and x: an int32 vector; its lanes add up to the dot.

    w_rows and x_rows point to what `dots` takes, weights as bytes; k is a positive multiple of
    dots.vector. With `ahead`, an int64, w is prefetched that many bytes ahead: the processor's own
    prefetching stops at the end of each 4 KiB page, and needs some lines of each row to begin.
    `evenly` has pairs of an address and a number n, int64: n * k bytes are prefetched from there,
    evenly: all at once, the loads of this loop would wait for it. A step prefetches one line: if
    n * dots.vector is more than a line has, some lines are left out.
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
    for place, n in evenly:
        emit_prefetch(builder, builder.gep(place, [builder.mul(at, n)]))
    new_sums = []
    for row_sums, row in zip(sums, w_rows, strict=True):
        if ahead is not None:
            emit_prefetch(builder, builder.gep(row, [builder.add(at, ahead)]))
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


def emit_dot(builder: Any, dots: Any, w_row: Any, x_row: Any, k: Any, ahead: int) -> Any:
    """Emit the dot of two rows: an int32 vector whose lanes add up to it.

    As emit_dots otherwise; dots.vector is a power of two. Two steps at a time have sums of their
    own: a sum alone waits four cycles for each step, which is longer than reading 32 weights takes.
    """
    vector, n = dots.vector, dots.n_parts

    def step(at: Any, parts: list[Any]) -> list[Any]:
        added: list[Any] = dots.added(parts, dots.weights(w_row, at), dots.activations(x_row, at))
        return added

    def two_steps(at: Any, sums: list[Any]) -> list[Any]:
        for line in range(0, 2 * vector, CACHE_LINE):
            emit_prefetch(builder, builder.gep(w_row, [builder.add(at, _I64(ahead + line))]))
        second = builder.add(at, _I64(vector))
        return step(at, sums[:n]) + step(second, sums[n:])

    zeros = ir.Constant(dots.sums, [0] * dots.sums.count)
    even = builder.and_(k, _I64(-2 * vector))
    sums = loop(builder, even, [zeros] * (2 * n), two_steps, 2 * vector)
    # One step may be left.
    first = loop(
        builder,
        builder.sub(k, even),
        sums[:n],
        lambda at, parts: step(builder.add(even, at), parts),
        vector,
    )
    return builder.add(dots.joined(first), dots.joined(sums[n:]))


def loop(
    builder: Any,
    n: Any,
    start: list[Any],
    body: Callable[[Any, list[Any]], list[Any]],
    step: int = 1,
) -> list[Any]:
    """Emit a loop over i = 0, step, .. < n: values = body(i, values), from `start` on.

    Returns the last values.
    """
    before = builder.block
    head, inside, after = (builder.append_basic_block(f"loop.{part}") for part in ("", "do", "end"))
    builder.branch(head)
    builder.position_at_end(head)
    i = builder.phi(_I64)
    i.add_incoming(_I64(0), before)
    values = [builder.phi(value.type) for value in start]
    builder.cbranch(builder.icmp_signed("<", i, n), inside, after)
    builder.position_at_end(inside)
    following = body(i, values)
    last = builder.block  # another one than `inside` if the body has loops
    for value, first, new in zip(values, start, following, strict=True):
        value.add_incoming(first, before)
        value.add_incoming(new, last)
    i.add_incoming(builder.add(i, _I64(step)), last)
    builder.branch(head)
    builder.position_at_end(after)
    return values


def load(builder: Any, row: Any, at: Any, kind: Any, align: int) -> Any:
    """Load a value of type `kind` from the address of row[at]."""
    address = builder.bitcast(builder.gep(row, [at]), kind.as_pointer())
    return builder.load(address, align=align)


def load_first(builder: Any, row: Any, at: Any, kind: Any, n: Any) -> Any:
    """As `load`, of a vector of numbers of 32 bits. Only the first n are read; the others are 0."""
    lanes = ir.Constant(ir.VectorType(_I64, kind.count), list(range(kind.count)))
    mask = builder.icmp_signed("<", lanes, splat(builder, n, kind.count))
    address = builder.bitcast(builder.gep(row, [at]), kind.as_pointer())
    name = f"llvm.masked.load.v{kind.count}{'f' if kind.element == ir.FloatType() else 'i'}32.p0"
    load = function(builder, name, kind, [address.type, _I32, mask.type, kind])
    return builder.call(load, [address, _I32(4), mask, ir.Constant(kind, [0] * kind.count)])


def function(builder: Any, name: str, result: Any, arguments: list[Any]) -> Any:
    """A function of LLVM or the processor, by its name in LLVM."""
    return cgutils.get_or_insert_function(builder.module, ir.FunctionType(result, arguments), name)


def lane_sum_of(builder: Any, vector: Any) -> Any:
    """The sum of a vector's lanes."""
    name = f"llvm.vector.reduce.add.v{vector.type.count}i32"
    return builder.call(function(builder, name, _I32, [vector.type]), [vector])


def quarter_lanes(n_lanes: int, *lanes: int) -> list[int]:
    """The given lanes of every four, for `picked`. 4 to 7 are lanes of the second vector."""
    return [
        q + lane if lane < 4 else n_lanes + q + lane - 4
        for q in range(0, n_lanes, 4)
        for lane in lanes
    ]


def emit_sums(builder: Any, vectors: list[Any]) -> Any:
    """The lane sums of 4, 8 or 16 vectors, as one vector.

    First, four vectors at a time are transposed and added within each quarter (four lanes). Then
    the quarters are added, which packs the sums of more and more vectors into one.
    """
    n_lanes = vectors[0].type.count

    def in_quarters(*lanes: int) -> list[int]:
        return quarter_lanes(n_lanes, *lanes)

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
