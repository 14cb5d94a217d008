"""Object code is loaded without LLVM, and refused if it has anything else."""

from __future__ import annotations

import struct
import subprocess
import sys

import numpy as np
import pytest

from pythia_cli.jit import elf
from pythia_cli.jit.elf import LoadedObject, UnknownObject
from pythia_cli.jit.object_cache import CompiledKernel
from pythia_cli.kernels import compiled

pytestmark = pytest.mark.skipif(not elf.is_supported(), reason="only on 64-bit x86 Linux")


@pytest.fixture(scope="module")
def kernels() -> dict[str, CompiledKernel]:
    compiled.load()
    found = compiled.cache().read()
    assert found is not None
    return found


def test_every_kernel_is_loaded_without_llvm(kernels: dict[str, CompiledKernel]) -> None:
    for kernel in kernels.values():
        loaded = LoadedObject(kernel.object_code)
        assert loaded.address(kernel.symbol) % 16 == 0
        with pytest.raises(UnknownObject, match="no symbol other"):
            loaded.address("other")


def test_scoring_does_not_import_llvm(kernels: dict[str, CompiledKernel]) -> None:
    code = """
import sys
import pythia_cli
with pythia_cli.load("demo") as model:
    model.score("It was not a small one.")
assert not {"llvmlite.binding", "numba"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_it_llvm_gives_the_same(kernels: dict[str, CompiledKernel]) -> None:
    code = """
import sys
from pythia_cli.jit import elf
if "llvm" in sys.argv:
    elf.is_supported = lambda: False
import pythia_cli
with pythia_cli.load("demo") as model:
    print(model.score("It was not a small one.").nll.tobytes().hex())
assert ("llvmlite.binding" in sys.modules) == ("llvm" in sys.argv)
"""
    ours, llvms = (
        subprocess.run([sys.executable, "-c", code, how], check=True, capture_output=True).stdout
        for how in ("ours", "llvm")
    )
    assert ours == llvms


def test_damaged_objects_are_refused(kernels: dict[str, CompiledKernel]) -> None:
    """Cut anywhere, or with any byte of the headers and tables changed: nothing is run."""
    code = kernels["draw"].object_code
    for end in range(0, len(code), 7):
        with pytest.raises(UnknownObject):
            LoadedObject(code[:end])
    code = kernels["exponentials"].object_code
    rng = np.random.default_rng(0)
    (sections_at,) = struct.unpack_from("<Q", code, 40)
    for at in (*range(64), *range(sections_at, len(code))):
        changed = bytearray(code)
        changed[at] ^= int(rng.integers(1, 256))
        try:
            LoadedObject(bytes(changed))
        except UnknownObject:
            continue


def test_what_kernels_may_call(kernels: dict[str, CompiledKernel]) -> None:
    code = kernels["row_sums"].object_code
    assert b"memset" in code
    with pytest.raises(UnknownObject, match="a reference to system"):
        LoadedObject(code.replace(b"memset", b"system"))
