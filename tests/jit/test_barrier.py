"""The instruction of a loop that waits."""

from __future__ import annotations

import itertools
import re

import llvmlite.binding as llvm
import pytest
from llvmlite import ir

from pythia_cli.jit.barrier import emit_pause
from pythia_cli.jit.team import ABORTED, ARRIVED, BEGAN, LINE, MET, OWN


@pytest.mark.parametrize(
    ("triple", "instruction"),
    [
        ("x86_64-unknown-linux-gnu", "pause"),
        ("aarch64-unknown-linux-gnu", "isb"),
        ("arm64-apple-darwin", "isb"),
        ("aarch64-pc-windows-msvc", "isb"),
        ("riscv64-unknown-linux-gnu", None),
    ],
)
def test_the_hint_of_each_processor(triple: str, instruction: str | None) -> None:
    module = ir.Module()
    module.triple = triple
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), []), "wait")
    builder = ir.IRBuilder(function.append_basic_block())
    emit_pause(builder)
    builder.ret_void()
    if instruction is None:
        assert "call" not in str(module)
        return
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    machine = llvm.Target.from_triple(triple).create_target_machine()
    assembly = machine.emit_assembly(llvm.parse_assembly(str(module)))
    assert re.search(rf"^\s+{instruction}\b", assembly, flags=re.MULTILINE), assembly


def test_flags_are_on_cache_lines_of_their_own() -> None:
    """Apple's have 128 bytes."""
    places = [0, ARRIVED, BEGAN, MET, ABORTED, OWN, OWN + LINE]
    apart = [after - before for before, after in itertools.pairwise(places)]
    assert min(apart) * 8 >= 128
