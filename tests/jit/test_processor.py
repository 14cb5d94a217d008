"""The processor's features: ARM's dot product is asked of the system, as LLVM may not report it."""

from __future__ import annotations

import ctypes
import platform
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import llvmlite.binding as llvm
import pytest

from pythia_cli.jit import amx, dot_product, identity, object_cache, processor
from pythia_cli.jit.tiers import choose

HWCAPS = {"neoverse-n1": 0x119FFB, "cortex-a72": 0x8FB}  # as Linux reports them


class Function:
    """A function of a C library: Python sets its types, and calls it."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)


def linux(monkeypatch: pytest.MonkeyPatch, hwcap: int) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    library = SimpleNamespace(getauxval=Function(lambda kind: hwcap if kind == 16 else 0))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)


def macos(monkeypatch: pytest.MonkeyPatch, values: dict[bytes, int]) -> None:
    def sysctlbyname(name: bytes, value: Any, size: Any, new: Any, n_new: int) -> int:
        if name not in values:
            return -1
        assert size._obj.value == 4
        value._obj.value = values[name]
        return 0

    monkeypatch.setattr(sys, "platform", "darwin")
    library = SimpleNamespace(sysctlbyname=Function(sysctlbyname))
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)


def windows(monkeypatch: pytest.MonkeyPatch, present: set[int]) -> None:
    kernel32 = SimpleNamespace(IsProcessorFeaturePresent=Function(lambda n: int(n in present)))
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(kernel32=kernel32), raising=False)


@pytest.mark.parametrize(("hwcap", "found"), [(0x119FFB, True), (0x8FB, False), (1 << 20, True)])
def test_linux_is_asked(monkeypatch: pytest.MonkeyPatch, hwcap: int, found: bool) -> None:
    linux(monkeypatch, hwcap)
    assert dot_product.is_reported() is found


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ({b"hw.optional.arm.FEAT_DotProd": 1}, True),
        ({b"hw.optional.arm.FEAT_DotProd": 0}, False),
        ({}, False),
    ],
)
def test_macos_is_asked(
    monkeypatch: pytest.MonkeyPatch, values: dict[bytes, int], found: bool
) -> None:
    macos(monkeypatch, values)
    assert dot_product.is_reported() is found


@pytest.mark.parametrize(("present", "found"), [({43}, True), ({19, 34}, False)])
def test_windows_is_asked(monkeypatch: pytest.MonkeyPatch, present: set[int], found: bool) -> None:
    windows(monkeypatch, present)
    assert dot_product.is_reported() is found


def test_a_system_that_cannot_be_asked_reports_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_library(name: None) -> Any:
        raise OSError("not dynamically linked")

    monkeypatch.setattr(sys, "platform", "freebsd14")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace())
    assert dot_product.is_reported() is False
    monkeypatch.setattr(ctypes, "CDLL", no_library)
    assert dot_product.is_reported() is False


def arm(monkeypatch: pytest.MonkeyPatch, by_llvm: dict[str, bool]) -> None:
    """A processor as LLVM describes an ARM under Linux."""
    monkeypatch.setattr(llvm, "get_process_triple", lambda: "aarch64-unknown-linux-gnu")
    monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: "generic")
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: by_llvm)


@pytest.mark.parametrize(
    ("processor_name", "tier"), [("neoverse-n1", "neon-dot"), ("cortex-a72", "plain")]
)
def test_the_tier_of_an_arm_is_what_the_system_reports(
    monkeypatch: pytest.MonkeyPatch, processor_name: str, tier: str
) -> None:
    """LLVM lists neither processor's dot product."""
    arm(monkeypatch, {"neon": True, "crc": True})
    linux(monkeypatch, HWCAPS[processor_name])
    features = processor.features()
    assert features == {"neon": True, "crc": True, "dotprod": tier == "neon-dot"}
    assert choose(processor.architecture(), features, "").name == tier


def test_what_llvm_reports_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    arm(monkeypatch, {"dotprod": True})
    linux(monkeypatch, 0)
    assert processor.features() == {"dotprod": True}


def test_the_key_of_compiled_kernels_holds_what_the_system_reports(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """LLVM describes two processors the same, but the kernels of one do not run on the other."""
    arm(monkeypatch, {"neon": True})
    monkeypatch.setattr(identity, "_CPUINFO", Path("/none"))  # an ARM's says too little
    keys = set()
    for hwcap in HWCAPS.values():
        linux(monkeypatch, hwcap)
        keys.add(object_cache._key([]))
    monkeypatch.setattr(llvm, "get_process_triple", lambda: "aarch64-pc-windows-msvc")
    keys.add(object_cache._key([]))
    assert len(keys) == 3


def test_without_permission_there_is_no_amx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llvm, "get_process_triple", lambda: "x86_64-unknown-linux-gnu")
    by_llvm = {"avx512f": True, "amx-tile": True, "amx-int8": True, "amx-bf16": True}
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: by_llvm)
    monkeypatch.setattr(amx, "is_permitted", lambda: True)
    assert processor.features() == by_llvm
    monkeypatch.setattr(amx, "is_permitted", lambda: False)
    without = {**dict.fromkeys(by_llvm, False), "avx512f": True}
    assert processor.features() == without == processor.permitted(by_llvm)


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() not in ("aarch64", "x86_64"),
    reason="reads /proc/cpuinfo",
)
def test_this_processor() -> None:
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    assert processor.features().get("dotprod", False) is ("asimddp" in flags)
