"""Permission to use tile registers, as the operating system gives it."""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from pythia_cli.jit import amx, compile_process, processor


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Each test asks for itself, and leaves no answer."""
    amx.follow(True)
    yield
    amx.follow(True)


def linux(monkeypatch: pytest.MonkeyPatch, answer: int) -> list[tuple[int, ...]]:
    """A Linux that answers so. Returns what it is asked."""
    asked: list[tuple[int, ...]] = []

    def syscall(*numbers: int) -> int:
        asked.append(numbers)
        return answer

    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(ctypes, "CDLL", lambda name: SimpleNamespace(syscall=syscall))
    return asked


@pytest.mark.parametrize(("answer", "is_permitted"), [(0, True), (-1, False)])
def test_the_system_is_asked_once(
    monkeypatch: pytest.MonkeyPatch, answer: int, is_permitted: bool
) -> None:
    asked = linux(monkeypatch, answer)
    assert [amx.is_permitted(), amx.is_permitted()] == [is_permitted] * 2
    assert asked == [(158, 0x1023, 18)]


def test_a_process_that_compiles_for_one_without_permission_does_not_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = linux(monkeypatch, 0)
    amx.follow(False)
    assert amx.is_permitted() is False
    assert asked == []


def no_library(name: str | None) -> Any:
    raise OSError("not dynamically linked")


@pytest.mark.parametrize("library", [no_library, lambda name: SimpleNamespace()])
def test_a_system_that_cannot_be_asked(
    monkeypatch: pytest.MonkeyPatch, library: Callable[[str | None], Any]
) -> None:
    linux(monkeypatch, 0)
    monkeypatch.setattr(ctypes, "CDLL", library)
    assert amx.is_permitted() is False


@pytest.mark.parametrize(
    ("system", "machine"), [("darwin", "x86_64"), ("win32", "AMD64"), ("linux", "aarch64")]
)
def test_other_systems_are_not_asked(
    monkeypatch: pytest.MonkeyPatch, system: str, machine: str
) -> None:
    asked = linux(monkeypatch, 0)
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert amx.is_permitted() is False
    assert asked == []


@pytest.mark.skipif(
    not processor.features().get("amx-int8", False), reason="this processor has no AMX"
)
@pytest.mark.parametrize("given", [False, True], ids=["found", "given"])
@pytest.mark.parametrize("is_permitted", [True, False])
def test_the_child_compiles_for_what_this_process_may_use(
    monkeypatch: pytest.MonkeyPatch, is_permitted: bool, given: bool
) -> None:
    """It may use AMX itself in either case. Numba can be given the features, too."""
    if given:
        flags = [f"{'+' if on else '-'}{name}" for name, on in processor.features().items()]
        monkeypatch.setenv("NUMBA_CPU_FEATURES", ",".join(flags))
    monkeypatch.setattr(amx, "is_permitted", lambda: is_permitted)
    program = compile_process._CHILD.split("from pythia_cli.jit.compile import")[0]
    program += "from pythia_cli.jit.declare import TIER; sys.exit(TIER.name)"
    monkeypatch.setattr(compile_process, "_CHILD", program)
    with pytest.raises(Exception, match="avx512-amx" if is_permitted else "avx512-vnni"):
        compile_process.compile_kernels([])
