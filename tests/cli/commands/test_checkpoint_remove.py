"""`pythia checkpoint remove`: what is removed, what stays, and when it asks."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import sys
import time
from pathlib import Path

import pytest

from tests.cli.running import MODULE, Pythia
from tests.conftest import DEMO

USAGE, NOT_FOUND = 2, 3


@pytest.fixture
def four(in_own_store: Pythia) -> Pythia:
    """A store with demo@3000 and mine@1, mine@2, mine@7; mine@2 was used last, mine@7 first."""
    in_own_store("quantize", DEMO / "step0", "--as", "mine@1")
    place = in_own_store.store / "checkpoints/mine"
    for step in (2, 7):
        shutil.copytree(place / "step1", place / f"step{step}")
        manifest = place / f"step{step}/manifest.json"
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "step": step}))
    for model, step, used in (("mine", 7, 100), ("demo", 3000, 200), ("mine", 1, 300)):
        path = in_own_store.store / f"checkpoints/{model}/step{step}/manifest.json"
        os.utime(path, (used, used))
    return in_own_store


def names(pythia: Pythia) -> list[str]:
    return [line[2:].split()[0] for line in pythia("checkpoint", "list").out.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (("mine@1",), ["demo@3000", "mine@2", "mine@7"]),
        (("1,7", "-m", "mine"), ["demo@3000", "mine@2"]),
        (("all", "-m", "mine"), ["demo@3000"]),
        (("main", "-m", "mine"), ["demo@3000", "mine@1", "mine@2"]),
        (("3000", "mine@2"), ["mine@1", "mine@7"]),
        (("0:4000",), ["mine@1", "mine@2", "mine@7"]),
        (("--keep-under", "5MB"), ["mine@1", "mine@2"]),
        (("--keep-under", "2500kb"), ["mine@2"]),
        (("--keep-under", "0"), []),
        (("--keep-under", "1.5 GB"), ["demo@3000", "mine@1", "mine@2", "mine@7"]),
    ],
)
def test_removed(four: Pythia, arguments: tuple[str, ...], left: list[str]) -> None:
    four("checkpoint", "remove", *arguments, "--yes")
    assert names(four) == left
    four("checkpoint", "verify")


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((), USAGE),
        (("1", "--keep-under", "1GB"), USAGE),
        (("--keep-under", "much"), USAGE),
        (("--keep-under", "-1GB"), USAGE),
        (("mine@1", "-m", "mine"), USAGE),
        (("mine@3",), NOT_FOUND),
        (("nobodys@1",), NOT_FOUND),
        (("64",), NOT_FOUND),
        (("mine@1",), USAGE),
    ],
)
def test_refused(four: Pythia, arguments: tuple[str, ...], status: int) -> None:
    yes = () if arguments == ("mine@1",) else ("--yes",)
    result = four("checkpoint", "remove", *arguments, *yes, status=status)
    assert result.err.startswith("error: ")
    assert len(names(four)) == 4


def test_removing_the_active_one_is_reported_and_it_is_not_replaced(four: Pythia) -> None:
    four("checkpoint", "use", "mine@2")
    printed = four("checkpoint", "remove", "2", "--yes").err
    assert "mine@2 was the active checkpoint" in printed
    assert "mine step2 is not installed" in four("generate", "x", status=NOT_FOUND).err
    four("checkpoint", "use", "demo@3000")
    four("generate", "x", "-n", "1")


def asked(pythia: Pythia, answer: bytes) -> tuple[int, str]:
    """Run `remove` in a terminal and give it this answer: the exit status, and what was shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        command = [*MODULE, "checkpoint", "remove", "mine@1"]
        os.execve(sys.executable, command, pythia.environment(TERM="xterm"))
    shown, deadline, answered = b"", time.monotonic() + 60, False
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                data = os.read(terminal, 4096)
            except OSError:
                break
            if not data:
                break
            shown += data
        if b"]: " in shown and not answered:
            os.write(terminal, answer)
            answered = True
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode()


@pytest.mark.skipif(sys.platform == "win32", reason="pty is POSIX")
def test_a_terminal_is_asked(four: Pythia) -> None:
    status, shown = asked(four, b"n\n")
    assert "remove mine@1 (" in shown
    assert (status, len(names(four))) == (0, 4)
    status, shown = asked(four, b"\x03")
    assert (status, len(names(four))) == (130, 4)
    status, shown = asked(four, b"y\n")
    assert (status, names(four)) == (0, ["demo@3000", "mine@2", "mine@7"])


def test_whoever_runs_goes_on(four: Pythia, tmp_path: Path) -> None:
    process = four.start("generate", "It was", "-m", "mine", "-c", "1", "-n", "400",
                         "--ignore-eos", "--num-samples", "8", "--json")  # fmt: skip
    assert process.stderr is not None
    assert b"mine step1" in process.stderr.readline()
    four("checkpoint", "remove", "mine@1", "--yes")
    out, err = process.communicate(timeout=100)
    assert (process.returncode, err) == (0, b"")
    assert len(out.splitlines()) == 8
