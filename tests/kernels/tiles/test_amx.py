"""The loop of a tile in tile registers: its instructions, and its sums on a processor with AMX."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest
from llvmlite import ir

from pythia_cli.jit.tiers import X86_TIERS
from pythia_cli.kernels.sizes import LANES
from pythia_cli.kernels.tiles.amx import (
    AMX_ROWS,
    BYTES,
    HALVES,
    SUMS,
    emit_layout,
    emit_products,
    emit_release,
    emit_store,
)
from tests.kernels.tiles.test_products import compiled, loop_of, machine_of, optimised, runnable

_I8, _I32, _I64 = (ir.IntType(bits) for bits in (8, 32, 64))
TIER = next(tier for tier in X86_TIERS if tier.has_amx)
KINDS = {BYTES: ("tdpbsud", "tdpbsud"), HALVES: ("tdpbssd", "tdpbsud")}
every_kind = pytest.mark.parametrize("kind", list(KINDS))


def tile_module(kind: Any) -> ir.Module:
    """void tile(int8 *w, int8 *x, int64 d_in, int32 *out).

    x [2, d_in / 4, LANES, 4] has both inputs. out [2, 2, 16, LANES], by rows and inputs.
    """
    module = ir.Module()
    arguments = [_I8.as_pointer(), _I8.as_pointer(), _I64, _I32.as_pointer()]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), arguments), "tile")
    builder = ir.IRBuilder(function.append_basic_block())
    w, x, d_in, out = function.args
    emit_layout(builder)
    second = builder.gep(x, [builder.mul(d_in, _I64(LANES))])
    emit_products(builder, kind, w, [x, second], d_in, w, _I64(0))
    emit_store(builder, builder.bitcast(out, _I8.as_pointer()))
    emit_release(builder)
    builder.ret_void()
    return module


@every_kind
def test_the_loop_has_the_expected_instructions(kind: Any) -> None:
    machine = machine_of(TIER)
    assembly = machine.emit_assembly(optimised(tile_module(kind), machine))
    used = Counter(line.split()[0] for line in loop_of(assembly, "tileloadd"))
    assert used["tileloadd"] == 4
    assert {name: n for name, n in used.items() if name.startswith("tdp")} == Counter(
        name for name in KINDS[kind] for _ in SUMS
    )


@pytest.mark.skipif(TIER not in runnable(), reason="this processor has no AMX")
@every_kind
def test_the_sums_are_exact(kind: Any) -> None:
    """Of random bytes, and of the largest."""
    engine, tile = compiled(tile_module(kind), TIER)
    rng = np.random.default_rng(0)
    types = [np.int8 if name == "tdpbssd" else np.uint8 for name in KINDS[kind]]
    for d_in in (64, 3 * 64, 4096):
        w = rng.integers(-127, 128, (AMX_ROWS, d_in), dtype=np.int8)
        w[0] = 127
        inputs = [
            rng.integers(np.iinfo(t).min, np.iinfo(t).max + 1, (LANES, d_in), dtype=t)
            for t in types
        ]
        for x in inputs:
            x[0] = np.iinfo(x.dtype).max
        lanes = np.ascontiguousarray([x.view(np.int32).T for x in inputs])
        out = np.empty((2, 2, AMX_ROWS // 2, LANES), np.int32)
        tile(w.ctypes.data, lanes.ctypes.data, d_in, out.ctypes.data)
        for i, x in enumerate(inputs):
            expected = w.astype(np.int64) @ x.astype(np.int64).T
            np.testing.assert_array_equal(out[:, i].reshape(AMX_ROWS, LANES), expected)
    del engine
