"""Compiled kernels by themselves: their arguments are checked, and they need nothing of Numba."""

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

from pythia_cli.jit.object_cache import ObjectCache
from pythia_cli.kernels import compiled, softmax
from pythia_cli.kernels.compiled import Arguments
from pythia_cli.kernels.entries import ENTRIES

WEIGHTS = np.array([0.0, 3.0, 0.0, 1.0], np.float32)

# Of the C library; all else would be Numba's or Python's.
MAY_BE_NEEDED = {
    "exp", "expf", "log", "logf", "memcpy", "memmove", "memset", "sched_yield",
}  # fmt: skip


def drawn() -> np.ndarray[Any, Any]:
    return np.full(1, -1, np.int64)


@pytest.mark.parametrize(
    "weights",
    [
        WEIGHTS.astype(np.float64),
        WEIGHTS.astype(np.float16),
        WEIGHTS.view(np.int32),
        WEIGHTS[None],
        np.float32(1.0).reshape(()),
        np.repeat(WEIGHTS, 2)[::2],
        WEIGHTS[::-1],
        np.frombuffer(b"\0" * 17, np.uint8)[1:].view(np.float32),
    ],
    ids=["double", "half", "int", "two axes", "no axis", "strided", "reversed", "unaligned"],
)
def test_arrays_of_another_kind_are_refused(weights: np.ndarray[Any, Any]) -> None:
    with pytest.raises(TypeError, match="in place of"):
        Arguments("draw", weights, 0.5, drawn())
    arguments = Arguments("draw", WEIGHTS, 0.5, drawn())
    with pytest.raises(TypeError, match="in place of"):
        arguments.replace(0, weights)


def test_two_axes_have_to_stand_in_order_of_rows() -> None:
    weights = np.zeros((4, 6), np.float32)
    scales, room = np.zeros(4, np.float32), np.zeros(6, np.float32)
    out = np.zeros((4, 6), np.int8)
    good = (weights, scales, scales, out, room, 0, 4)
    Arguments("quantize_weights", *good)
    with pytest.raises(TypeError):
        Arguments("quantize_weights", weights.T.copy().T, *good[1:])
    with pytest.raises(TypeError):
        Arguments("quantize_weights", *good[:3], out.view(np.uint8), *good[4:])


@pytest.mark.parametrize("n_missing", [1, 3])
def test_all_arguments_are_needed(n_missing: int) -> None:
    values = (WEIGHTS, 0.5, drawn())
    with pytest.raises(ValueError, match="zip"):
        Arguments("draw", *values[:-n_missing])
    with pytest.raises(ValueError, match="zip"):
        Arguments("draw", *values, *values)


def test_an_argument_is_replaced_and_the_others_stay() -> None:
    run = compiled.function("draw")
    first, second = drawn(), drawn()
    arguments = Arguments("draw", WEIGHTS, 0.5, first)
    address = arguments.address
    for i, value, expected in [
        (1, 0.9, 3),
        (0, np.eye(1, 9, 7, np.float32)[0], 7),
        (0, WEIGHTS, 3),
        (1, 0.0, 1),
    ]:
        arguments.replace(i, value)
        run(0, 1, None, arguments.address)
        assert first.tolist() == [expected]
    arguments.replace(2, second)
    first[0] = -1
    run(0, 1, None, arguments.address)
    assert (first.tolist(), second.tolist()) == ([-1], [1])
    assert arguments.address == address


def test_arrays_are_kept_alive() -> None:
    run = compiled.function("draw")
    out = drawn()
    arguments = Arguments("draw", np.eye(1, 50_000, 49_999, np.float32)[0], 0.5, out)
    others = [np.ones(50_000, np.float32) for _ in range(20)]
    run(0, 1, None, arguments.address)
    assert out.tolist() == [49_999]
    del others


def test_calls_of_several_threads_do_not_mix_their_arguments() -> None:
    wrong: list[int] = []

    def draw_one(target: int) -> None:
        weights, out = np.zeros(1000 + target, np.float32), drawn()
        weights[target] = 1.0
        for _ in range(5000):
            out[0] = -1
            compiled.call("draw", weights, 0.5, out)
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
def test_called_by_words_it_gives_what_the_jitted_function_gives(n: int) -> None:
    rng = np.random.default_rng(n)
    logits = (4 * rng.standard_normal(n)).astype(np.float32)
    ours, theirs = np.empty(n, np.float32), np.empty(n, np.float32)
    total, their_total = np.empty(1), np.empty(1)
    compiled.call("exponentials", logits, 1.3, ours, total)
    softmax.exponentials(logits, 1.3, theirs, their_total)
    assert (ours.tobytes(), total.tobytes()) == (theirs.tobytes(), their_total.tobytes())
    for fraction in (0.0, *rng.random(20), np.nextafter(1.0, 0.0)):
        one, other = drawn(), drawn()
        compiled.call("draw", ours, fraction, one)
        softmax.draw(ours, fraction, other)
        assert 0 <= one[0] < n
        assert one.tolist() == other.tolist()


@pytest.fixture(scope="module")
def kernels() -> dict[str, tuple[str, bytes]]:
    """Symbol and object code of each entry, as they are kept."""
    compiled.load()
    kept = ObjectCache().read()
    assert kept is not None
    assert set(kept) == set(ENTRIES)
    return kept


def test_loading_what_another_process_kept_needs_no_numba(
    kernels: dict[str, tuple[str, bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHIA_CACHE", str(tmp_path / "cache"))
    ObjectCache().write(kernels)
    script = """
        import json, sys
        import numpy as np
        from pythia_cli.kernels import compiled
        announced = []
        report = compiled.load(announced.append)
        out = np.zeros(1, np.int64)
        compiled.call("draw", np.array([0, 0, 1], np.float32), 0.5, out)
        again = compiled.load(announced.append)
        heavy = [name for name in ("numba", "pythia_cli.kernels.compile") if name in sys.modules]
        print(json.dumps([report, again, announced, heavy, out.tolist()]))
    """
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(line[8:] for line in script.splitlines())],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["", "", [], [], [2]]


def undefined_symbols(code: bytes) -> Iterator[str]:
    """The names that an ELF64 object refers to and does not define."""
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
    for at in range(offset + entry, offset + length, entry):  # the first is of nothing
        name, _, _, section, _, _ = struct.unpack_from("<IBBHQQ", code, at)
        if section == 0:
            begin = strings + name
            yield code[begin : code.index(b"\0", begin)].decode()


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64", reason="object code is of ELF there"
)
@pytest.mark.parametrize("name", ENTRIES)
def test_object_code_refers_to_nothing_of_numba(
    kernels: dict[str, tuple[str, bytes]], name: str
) -> None:
    symbol, code = kernels[name]
    needed = set(undefined_symbols(code))
    assert needed <= MAY_BE_NEEDED
    assert symbol.encode() + b"\0" in code
    if ENTRIES[name].for_team:
        assert "sched_yield" in needed, "barriers yield: the table is read rightly"
