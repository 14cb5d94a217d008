"""The tiles of every tier: the expected instructions, and exact if this processor can run them."""

from __future__ import annotations

import ctypes
import re
from collections import Counter
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest
from llvmlite import ir

from pythia_cli.jit import processor
from pythia_cli.jit.tiers import ARM_TIERS, X86_TIERS, Tier, tiers_of, without
from pythia_cli.kernels.sizes import LANES
from pythia_cli.kernels.tiles.dot import emit_dots, emit_sums
from pythia_cli.kernels.tiles.lanes import LANE_GROUPS, LANE_ROWS
from pythia_cli.kernels.tiles.products import (
    WEIGHT_OFFSET,
    byte_dots,
    byte_lanes,
    byte_offset,
    exact_dots,
    exact_lanes,
    half_dots,
)

N_ROWS = 4
_SOFTWARE = "sdot_in_software"
_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))

TILED = [tier for tier in (*X86_TIERS, *ARM_TIERS) if tier.vector]
NEON = next(tier for tier in ARM_TIERS if tier.vector)
# A processor of each tier. LLVM uses vpdpwssd only on processors for which it assumes it is fast.
PROCESSORS = {
    "avx512-amx": "sapphirerapids",
    "avx512-vnni": "znver4",
    "avx512": "skylake-avx512",
    "avx-vnni": "alderlake",
    "avx2": "haswell",
    "neon-dot": "neoverse-n1",
}
# For a tile of the tier's size: the instruction, and its number in the loop. For processors with
# AMX, LLVM mixes vpmaddwd and vpdpwssd.
EXPECTED = {
    (exact_dots, "avx512-amx"): ("vpmaddwd", 20),
    (exact_dots, "avx512-vnni"): ("vpdpwssd", 24),
    (exact_dots, "avx512"): ("vpmaddwd", 24),
    (exact_dots, "avx-vnni"): ("vpdpwssd", 8),
    (exact_dots, "avx2"): ("vpmaddwd", 8),
    (exact_dots, "neon-dot"): ("sdot", 16),
    (byte_dots, "avx512-amx"): ("vpdpbusd", 24),
    (byte_dots, "avx512-vnni"): ("vpdpbusd", 24),
    (byte_dots, "avx512"): ("vpmaddwd", 24),
    (byte_dots, "avx-vnni"): ("vpdpbusd", 8),
    (byte_dots, "avx2"): ("vpmaddwd", 8),
    (byte_dots, "neon-dot"): ("sdot", 8),
}


def widening_lanes(builder: Any, tier: Tier) -> Any:
    return exact_lanes(builder, tier, is_widened=False)


def widened_lanes(builder: Any, tier: Tier) -> Any:
    return exact_lanes(builder, tier, is_widened=True)


# For the last, LLVM would split vpdpwssd.
IN_LANES = [
    (tier, *expected)
    for tier in TILED
    if tier.has_lanes and not tier.has_amx
    for expected in (
        (byte_lanes, "vpdpbusd", "znver4"),
        (widening_lanes, "vpdpwssd", "znver4"),
        (widened_lanes, "vpdpwssd", "icelake-server"),
    )
]
in_lanes = pytest.mark.parametrize(("tier", "kind", "instruction", "cpu"), IN_LANES)
in_halves = pytest.mark.parametrize(
    "tier", [tier for tier in TILED if tier.has_halves], ids=lambda tier: tier.name
)
both_kinds = pytest.mark.parametrize("kind", [exact_dots, byte_dots])


def tile_module(tier: Tier, n_tokens: int, kind: Any) -> ir.Module:
    """void tile(int8 *w, x, int64 d_in, int32 *out): out [n_tokens, N_ROWS] = x w^T.

    x is int16 *, or uint8 *; for half_dots int8 *, the high bytes of a token before its low ones.
    """
    module = ir.Module()
    x_type = _I16 if kind is exact_dots else _I8
    arguments = [_I8.as_pointer(), x_type.as_pointer(), _I64, _I32.as_pointer()]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), "tile")
    builder = ir.IRBuilder(function.append_basic_block())
    w, x, d_in, out = function.args

    def rows(pointer: Any, n: int) -> list[Any]:
        return [builder.gep(pointer, [builder.mul(d_in, _I64(i))]) for i in range(n)]

    x_rows = rows(x, n_tokens)
    if kind is half_dots:
        halves = rows(x, 2 * n_tokens)
        x_rows = list(zip(halves[::2], halves[1::2], strict=True))
    sums = emit_dots(builder, kind(builder, tier), rows(w, N_ROWS), x_rows, d_in)
    for t in range(n_tokens):
        total = emit_sums(builder, [sums[r][t] for r in range(N_ROWS)])
        place = builder.gep(out, [_I64(t * N_ROWS)])
        builder.store(total, builder.bitcast(place, total.type.as_pointer()), align=4)
    builder.ret_void()
    return module


def lanes_module(tier: Tier, kind: Any) -> ir.Module:
    """void tile(int8 *w, int32 *x, int64 d_in, int32 *out): out [rows, groups, LANES] = w x.

    x [groups, d_in / dots.vector, LANES]. w points to int16s for widened_lanes.
    """
    module = ir.Module()
    arguments = [_I8.as_pointer(), _I32.as_pointer(), _I64, _I32.as_pointer()]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), "tile")
    builder = ir.IRBuilder(function.append_basic_block())
    w, x, d_in, out = function.args
    dots = kind(builder, tier)
    size = builder.mul(d_in, _I64(LANES // dots.vector))
    step = 2 if kind is widened_lanes else 1
    w_rows = [builder.gep(w, [builder.mul(d_in, _I64(i * step))]) for i in range(LANE_ROWS)]
    x_rows = [builder.gep(x, [builder.mul(size, _I64(g))]) for g in range(LANE_GROUPS)]
    sums = [total for row in emit_dots(builder, dots, w_rows, x_rows, d_in) for total in row]
    for i, total in enumerate(sums):
        place = builder.gep(out, [_I64(i * LANES)])
        builder.store(total, builder.bitcast(place, total.type.as_pointer()), align=4)
    builder.ret_void()
    return module


def machine_of(tier: Tier, cpu: str | None = None) -> Any:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    architecture = "aarch64" if tier in ARM_TIERS else "x86_64"
    target = llvm.Target.from_triple(f"{architecture}-unknown-linux-gnu")
    return target.create_target_machine(cpu=cpu or PROCESSORS[tier.name], opt=3)


def optimised(module: ir.Module, machine: Any) -> Any:
    parsed = llvm.parse_assembly(str(module))
    parsed.triple = machine.triple
    parsed.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    builder = llvm.create_pass_builder(machine, options)
    builder.getModulePassManager().run(parsed, builder)
    return parsed


def loop_of(assembly: str, instruction: str) -> list[str]:
    """The code of the block with the most occurrences of the instruction."""
    blocks = re.split(r"^\.?L?BB?\d+_\d+:.*$", assembly, flags=re.MULTILINE)
    block = max(blocks, key=lambda text: len(re.findall(rf"\s{instruction}\s", text)))
    code = (line.replace("{vex}", "").strip() for line in block.splitlines())
    return [line for line in code if line and line[0] not in ".#/"]


@both_kinds
@pytest.mark.parametrize("tier", TILED, ids=lambda tier: tier.name)
def test_a_tile_has_the_expected_instructions_and_no_spills(tier: Tier, kind: Any) -> None:
    machine = machine_of(tier)
    assembly = machine.emit_assembly(optimised(tile_module(tier, tier.n_tokens, kind), machine))
    instruction, times = EXPECTED[kind, tier.name]
    loop = loop_of(assembly, instruction)
    used = Counter(line.split()[0] for line in loop)
    assert used[instruction] == times, used
    assert not [line for line in loop if re.search(r"\((%rsp|%rbp)\)|\[(sp|x29)", line)], loop


@in_halves
def test_weights_are_not_widened_for_halves(tier: Tier) -> None:
    machine = machine_of(tier)
    assembly = machine.emit_assembly(optimised(tile_module(tier, 1, half_dots), machine))
    used = Counter(line.split()[0] for line in loop_of(assembly, "vpdpbusd"))
    assert used["vpdpbusd"] == 2 * N_ROWS, used
    assert not [name for name in used if name.startswith("vpmov")], used


@in_lanes
def test_a_tile_in_lanes_has_the_expected_instructions(
    tier: Tier, kind: Any, instruction: str, cpu: str
) -> None:
    machine = machine_of(tier, cpu)
    assembly = machine.emit_assembly(optimised(lanes_module(tier, kind), machine))
    loop = loop_of(assembly, instruction)
    used = Counter(line.split()[0] for line in loop)
    assert used[instruction] == LANE_ROWS * LANE_GROUPS, used
    assert not [line for line in loop if re.search(r"\((%rsp|%rbp)\)", line)], loop


def emulated(module: ir.Module) -> None:
    """Define sdot in software: int32 sums of four products of bytes."""
    bytes16, sums4 = ir.VectorType(_I8, 16), ir.VectorType(_I32, 4)
    function = module.globals[_SOFTWARE]
    builder = ir.IRBuilder(function.append_basic_block())
    total, a, b = function.args
    for i in range(16):
        lane = _I32(i // 4)
        x, y = (builder.sext(builder.extract_element(v, _I32(i)), _I32) for v in (a, b))
        old = builder.extract_element(total, lane)
        total = builder.insert_element(total, builder.add(old, builder.mul(x, y)), lane)
    builder.ret(total)
    assert (function.args[1].type, function.ftype.return_type) == (bytes16, sums4)


def software(tier: Tier) -> Tier:
    return Tier(**{**vars(tier), "instruction": _SOFTWARE, "byte_instruction": _SOFTWARE})


def runnable() -> list[Tier]:
    """The tiers with tiles of this processor, and that of ARM with sdot in software."""
    features = processor.features()
    of_this = tiers_of(processor.architecture())
    tiled = [t for t in of_this if t.vector and all(features.get(n, False) for n in t.needs)]
    return [*tiled, software(NEON)]


def compiled(module: ir.Module, tier: Tier) -> tuple[Any, Any]:
    """The function `tile` of a module, and what has to be kept alive for it."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    llvm.initialize_native_asmparser()
    features = without(tier, processor.features())
    flags = ",".join(f"{'+' if on else '-'}{name}" for name, on in features.items())
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=processor.name(), features=flags, opt=3, jit=True
    )
    engine = llvm.create_mcjit_compiler(optimised(module, machine), machine)
    engine.finalize_object()
    prototype = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 2, ctypes.c_int64, ctypes.c_void_p)
    return engine, prototype(engine.get_function_address("tile"))


@pytest.mark.parametrize("tier", runnable(), ids=lambda tier: tier.name)
@pytest.mark.parametrize("n_tokens", [1, 2, 4, 6])
@both_kinds
def test_a_tile_is_exact(tier: Tier, n_tokens: int, kind: Any) -> None:
    """Random values, and values at the bounds, which give the largest sums."""
    module = tile_module(tier, n_tokens, kind)
    if tier.instruction == _SOFTWARE:
        emulated(module)
    engine, tile = compiled(module, tier)
    rng = np.random.default_rng(0)
    for d_in in (64, 3 * 64, 512):
        w = rng.integers(-127, 128, (N_ROWS, d_in), dtype=np.int8)
        w[0] = 127
        if kind is exact_dots:
            most, offset = min(32639, (2**31 - 1) // (127 * d_in)), 0
            x = rng.integers(-most, most + 1, (n_tokens, d_in), dtype=np.int16)
            x[0] = -most
        else:
            offset = byte_offset(tier)
            x = rng.integers(0, 256, (n_tokens, d_in), dtype=np.uint8)
            x[0] = 255
        out = np.empty((n_tokens, N_ROWS), np.int32)
        tile(w.ctypes.data, x.ctypes.data, d_in, out.ctypes.data)
        np.testing.assert_array_equal(out, (x.astype(np.int64) - offset) @ w.astype(np.int64).T)
    del engine


@in_halves
def test_a_tile_of_halves_is_exact(tier: Tier) -> None:
    if tier not in runnable():
        pytest.skip(f"this processor has not all of {tier.name}")
    engine, tile = compiled(tile_module(tier, 1, half_dots), tier)
    rng = np.random.default_rng(0)
    for d_in in (64, 3 * 64, 512):
        w = rng.integers(-127, 128, (N_ROWS, d_in), dtype=np.int8)
        w[0] = 127
        high, low = rng.integers(-127, 128, (2, d_in), dtype=np.int64)
        for values in (256 * high + low, np.full(d_in, 32639), np.full(d_in, -32639)):
            x = np.stack([(values + 128) >> 8, values - ((values + 128) >> 8 << 8)])
            halves, out = x.astype(np.int8), np.empty((1, N_ROWS), np.int32)
            tile(w.ctypes.data, halves.ctypes.data, d_in, out.ctypes.data)
            expected = (w.astype(np.int64) + WEIGHT_OFFSET) @ values
            np.testing.assert_array_equal(out[0], expected.astype(np.int32))
    del engine


@in_lanes
def test_a_tile_in_lanes_is_exact(tier: Tier, kind: Any, instruction: str, cpu: str) -> None:
    if tier not in runnable():
        pytest.skip(f"this processor has no {instruction}")
    engine, tile = compiled(lanes_module(tier, kind), tier)
    rng = np.random.default_rng(0)
    for d_in in (64, 3 * 64, 512):
        w = rng.integers(-127, 128, (LANE_ROWS, d_in), dtype=np.int8)
        w[0] = 127
        if kind is not byte_lanes:
            most = min(32639, (2**31 - 1) // (127 * d_in))
            x = rng.integers(-most, most + 1, (LANE_GROUPS * LANES, d_in), dtype=np.int16)
            x[0] = -most
        else:
            x = rng.integers(0, 256, (LANE_GROUPS * LANES, d_in), dtype=np.uint8)
            x[0] = 255
        groups = x.view(np.int32).reshape(LANE_GROUPS, LANES, -1).transpose(0, 2, 1).copy()
        out = np.empty((LANE_ROWS, LANE_GROUPS * LANES), np.int32)
        given = w.astype(np.int16) if kind is widened_lanes else w
        tile(given.ctypes.data, groups.ctypes.data, d_in, out.ctypes.data)
        np.testing.assert_array_equal(out, w.astype(np.int64) @ x.astype(np.int64).T)
    del engine
