"""Memory that is written first and executed then."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from pythia_cli.jit import elf
from pythia_cli.jit.executable import Executable


@pytest.mark.skipif(not elf.is_supported(), reason="only on 64-bit x86 Linux")
def test_code_runs_once_it_is_sealed() -> None:
    memory = Executable(6)
    memory.room[:] = b"\xb8\x2a\x00\x00\x00\xc3"  # mov eax, 42; ret
    memory.seal()
    assert ctypes.CFUNCTYPE(ctypes.c_int)(memory.address)() == 42


@pytest.mark.skipif(not elf.is_supported(), reason="only on 64-bit x86 Linux")
def test_a_thread_may_be_in_a_kernel_when_python_ends() -> None:
    """As in the first thread of a team that is a daemon. The code must not be unmapped then."""
    code = """
import threading, time
import numpy as np
from pythia_cli.jit.team import Team
from pythia_cli.kernels import compiled
n = 2000
h, columns = np.eye(n) * n + 1, np.empty((4, n))
room = {"h": h, "columns": columns, "feedback": np.empty((n, n), np.float32)}
arguments = compiled.arguments("find_feedback", **room)
function = compiled.function("find_feedback")
team = Team(1)
threading.Thread(target=lambda: team.run(function, arguments.address), daemon=True).start()
time.sleep(0.1)
"""
    subprocess.run([sys.executable, "-c", code], check=True)
