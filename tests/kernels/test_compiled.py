"""Compiled kernels: their arguments, and that they do not depend on Numba."""

from __future__ import annotations

import json
import platform
import struct
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pythia_cli.jit.elf import C_FUNCTIONS
from pythia_cli.jit.object_cache import CompiledKernel
from pythia_cli.kernels import compiled, softmax

NAMES = [
    "forward",
    "attention_pattern",
    "exponentials",
    "draw",
    "widen_float16",
    "quantize_weights",
    "find_feedback",
    "round_with_feedback",
    "correct_bias",
    "row_sums",
]
WEIGHTS = np.array([0.0, 3.0, 0.0, 1.0], np.float32)


def drawn() -> np.ndarray[Any, Any]:
    return np.full(1, -1, np.int64)


def test_replacing_an_argument_keeps_the_others() -> None:
    run = compiled.function("draw")
    first, second = drawn(), drawn()
    arguments = compiled.arguments("draw", weights=WEIGHTS, fraction=0.5, drawn=first)
    address = arguments.address
    for name, value, expected in [
        ("fraction", 0.9, 3),
        ("weights", np.eye(1, 9, 7, np.float32)[0], 7),
        ("weights", WEIGHTS, 3),
        ("fraction", 0.0, 1),
    ]:
        arguments.replace(name, value)
        run(0, 1, None, arguments.address)
        assert first.tolist() == [expected]
    arguments.replace("drawn", second)
    first[0] = -1
    run(0, 1, None, arguments.address)
    assert (first.tolist(), second.tolist()) == ([-1], [1])
    assert arguments.address == address


def test_arrays_are_kept_alive() -> None:
    run = compiled.function("draw")
    out = drawn()
    weights = np.eye(1, 50_000, 49_999, np.float32)[0]
    arguments = compiled.arguments("draw", weights=weights, fraction=0.5, drawn=out)
    del weights
    others = [np.ones(50_000, np.float32) for _ in range(20)]
    run(0, 1, None, arguments.address)
    assert out.tolist() == [49_999]
    del others


def test_calls_from_several_threads_do_not_mix_arguments() -> None:
    wrong: list[int] = []

    def draw_one(target: int) -> None:
        weights, out = np.zeros(1000 + target, np.float32), drawn()
        weights[target] = 1.0
        for _ in range(5000):
            out[0] = -1
            compiled.call("draw", weights=weights, fraction=0.5, drawn=out)
            if out[0] != target:
                wrong.append(int(out[0]))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(draw_one, range(4)))
    finally:
        sys.setswitchinterval(interval)
    assert wrong == []


@pytest.mark.parametrize("n", [1, 7, 1000, 50_304])
def test_a_compiled_kernel_equals_the_jitted_function(n: int) -> None:
    rng = np.random.default_rng(n)
    logits = (4 * rng.standard_normal(n)).astype(np.float32)
    ours, theirs = np.empty(n, np.float32), np.empty(n, np.float32)
    total, their_total = np.empty(1), np.empty(1)
    compiled.call("exponentials", logits=logits, factor=1.3, out=ours, total=total)
    softmax.exponentials(logits, 1.3, theirs, their_total)
    assert (ours.tobytes(), total.tobytes()) == (theirs.tobytes(), their_total.tobytes())
    for fraction in (0.0, *rng.random(20), np.nextafter(1.0, 0.0)):
        one, other = drawn(), drawn()
        compiled.call("draw", weights=ours, fraction=fraction, drawn=one)
        softmax.draw(ours, fraction, other)
        assert 0 <= one[0] < n
        assert one.tolist() == other.tolist()


@pytest.fixture(scope="module")
def kernels() -> dict[str, CompiledKernel]:
    """All kernels, as cached."""
    compiled.load()
    kept = compiled.cache().read()
    assert kept is not None
    assert set(kept) == set(NAMES)
    return kept


def test_loading_from_the_cache_needs_no_numba(
    kernels: dict[str, CompiledKernel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHIA_CACHE", str(tmp_path / "cache"))
    compiled.cache().write(kernels)
    script = """
        import json, sys
        import numpy as np
        from pythia_cli.kernels import compiled
        from pythia_cli.reporting import Reporter
        notes = []
        reporter = Reporter()
        reporter.note = notes.append
        compiled.load(reporter)
        out, weights = np.zeros(1, np.int64), np.array([0, 0, 1], np.float32)
        compiled.call("draw", weights=weights, fraction=0.5, drawn=out)
        compiled.load(reporter)
        heavy = [name for name in ("numba", "pythia_cli.jit.compile") if name in sys.modules]
        print(json.dumps([notes, heavy, out.tolist()]))
    """
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(line[8:] for line in script.splitlines())],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], [], [2]]


def undefined_symbols(code: bytes) -> Iterator[str]:
    """The undefined symbols of an ELF64 object."""
    assert code[:6] == b"\x7fELF\x02\x01", "64 bits, little-endian"
    (sections_at,) = struct.unpack_from("<Q", code, 0x28)
    size, n_sections, _ = struct.unpack_from("<3H", code, 0x3A)
    # name, type, flags, address, offset, size, link, info, alignment, entry size
    sections = [
        struct.unpack_from("<2I4Q2I2Q", code, sections_at + i * size) for i in range(n_sections)
    ]
    symbol_table = 2
    (table,) = [section for section in sections if section[1] == symbol_table]
    offset, length, strings, entry = table[4], table[5], sections[table[6]][4], table[9]
    for at in range(offset + entry, offset + length, entry):  # the first is empty
        name, _, _, section, _, _ = struct.unpack_from("<IBBHQQ", code, at)
        if section == 0:
            begin = strings + name
            yield code[begin : code.index(b"\0", begin)].decode()


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="reads ELF64")
@pytest.mark.parametrize("name", NAMES)
def test_object_code_has_no_references_to_numba(
    kernels: dict[str, CompiledKernel], name: str
) -> None:
    symbol, _, code = kernels[name]
    needed = set(undefined_symbols(code))
    assert needed <= C_FUNCTIONS, "any other would be from Numba or Python"
    assert symbol.encode() + b"\0" in code
    if name == "forward":
        assert "sched_yield" in needed, "barriers call it, so the symbol table was read correctly"
