"""Memory that is written first and executed then."""

from __future__ import annotations

import ctypes

import pytest

from pythia_cli.jit import elf
from pythia_cli.jit.executable import Executable


@pytest.mark.skipif(not elf.is_supported(), reason="only on 64-bit x86 Linux")
def test_code_runs_once_it_is_sealed() -> None:
    memory = Executable(6)
    memory.room[:] = b"\xb8\x2a\x00\x00\x00\xc3"  # mov eax, 42; ret
    memory.seal()
    assert ctypes.CFUNCTYPE(ctypes.c_int)(memory.address)() == 42
