"""The processor is told apart without LLVM where the system describes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pythia_cli.jit import amx, elf, identity

CPUINFO = """processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 17
model name\t: AMD EPYC
stepping\t: 1
cpu MHz\t\t: 3700.123
flags\t\t: fpu avx2

processor\t: 1
vendor_id\t: another
"""


@pytest.mark.skipif(not elf.is_supported(), reason="only on 64-bit x86 Linux")
def test_by_the_first_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clock is none of it, as that changes."""
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO)
    monkeypatch.setattr(identity, "_CPUINFO", path)
    expected = ("linux x86_64", "AuthenticAMD", "25", "17", "1", "fpu avx2", "without AMX")
    assert identity.of_processor() == expected
    path.write_text(CPUINFO.replace("3700.123", "2000"))
    assert identity.of_processor() == expected
    path.write_text(CPUINFO.replace("avx2", "avx512f"))
    assert identity.of_processor() != expected


@pytest.mark.skipif(not elf.is_supported(), reason="only on 64-bit x86 Linux")
def test_by_whether_the_system_permits_amx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels for tile registers do not run in a process that may not use them."""
    path = tmp_path / "cpuinfo"
    path.write_text(CPUINFO.replace("avx2", "amx_int8 amx_tile"))
    monkeypatch.setattr(identity, "_CPUINFO", path)
    found = {}
    for is_permitted in (True, False):
        monkeypatch.setattr(amx, "is_permitted", lambda answer=is_permitted: answer)
        found[is_permitted] = identity.of_processor()
    assert (found[True][-1], found[False][-1]) == ("with AMX", "without AMX")


@pytest.mark.parametrize("content", [None, "", "processor\t: 0\n\nvendor_id\t: x\n"])
def test_else_as_llvm_describes_it(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cpuinfo"
    if content is not None:
        path.write_text(content)
    monkeypatch.setattr(identity, "_CPUINFO", path)
    triple, name, features = identity.of_processor()
    assert triple.count("-") >= 2
    assert name
    assert "True" in features
