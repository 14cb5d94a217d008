"""On emulated ARM, results are those of this machine to the bit. `make check-arm` runs this.

The kernels are compiled here, as ARM's own LLVM would make the same object code, but slowly.
"""

from __future__ import annotations

import json
import os
import platform
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.jit.object_cache import unpacked
from tests.arm.emulated import ROOT, Machine, Unavailable, files_in

FOLDER = os.environ.get("PYTHIA_TEST_ARM", "")
SDOT, SDOT_MASK = 0x4E809400, 0xFFE0FC00  # sdot v.4s, v.16b, v.16b; the mask leaves out registers
ISB = 0xD5033FDF
TIERS = [
    ("neoverse-n1", "", "neon-dot"),
    ("neoverse-n1", "plain", "plain"),
    ("cortex-a76", "", "neon-dot"),
    ("cortex-a72", "", "plain"),
]

pytestmark = [
    pytest.mark.skipif(not FOLDER, reason="takes minutes and 390 MB: make check-arm"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="compares with x86"),
]


@pytest.fixture(scope="module")
def machine() -> Callable[[str], Machine]:
    """machine(processor): that machine; skips the test if there is none."""

    def start(processor: str) -> Machine:
        try:
            return Machine(files, processor)
        except Unavailable as reason:
            pytest.skip(str(reason))

    try:
        files = files_in(Path(FOLDER).absolute())
    except Unavailable as reason:
        pytest.skip(str(reason))
    return start


def answer(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of this machine."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.arm.on_arm", "results"],
        env=os.environ | {"PYTHIA_HOME": str(tmp_path_factory.mktemp("home"))},
        cwd=ROOT, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    return answer(done)


def cross_compiled(target: dict[str, Any], simd: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "tests.arm.cross"],
        env=os.environ | {"PYTHIA_SIMD": simd},
        cwd=ROOT, input=json.dumps(target).encode(), capture_output=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def instructions(kernels: bytes) -> list[int]:
    """All 32-bit words at multiples of 4 in the object code."""
    codes = [kernel.object_code for kernel in unpacked(kernels).values()]
    return [word for code in codes for (word,) in struct.iter_unpack("<I", code[: len(code) & ~3])]


@pytest.mark.parametrize(("processor", "simd", "tier"), TIERS)
def test_results_are_those_of_this_machine(
    processor: str,
    simd: str,
    tier: str,
    machine: Callable[[str], Machine],
    expected: dict[str, Any],
    tmp_path: Path,
) -> None:
    arm = machine(processor)
    module = ["-m", "tests.arm.on_arm"]
    target = answer(arm.python(*module, "processor", home=tmp_path, simd=simd))
    assert (target["name"], target["tier"]) == (processor, tier)
    kernels = cross_compiled(target, simd)
    words = instructions(kernels)
    assert ISB in words, "the barrier does not pause"
    assert any(word & SDOT_MASK == SDOT for word in words) is (tier == "neon-dot")
    (tmp_path / "kernels").write_bytes(kernels)
    file = str(tmp_path / "kernels")
    assert answer(arm.python(*module, "results", file, home=tmp_path, simd=simd)) == expected


def test_a_tier_that_the_processor_lacks_is_refused(
    machine: Callable[[str], Machine], tmp_path: Path
) -> None:
    command = ["-m", "pythia_cli", "generate", "Call me", "-n", "1"]
    done = machine("cortex-a72").python(*command, home=tmp_path, simd="neon-dot")
    assert done.returncode == 2, done.stderr
    assert "this processor has plain" in done.stderr
