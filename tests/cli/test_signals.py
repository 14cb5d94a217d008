"""Interrupted, terminated, or left by the reader: the right status, at once, and no trace."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.running import Pythia, listing, without_model_lines
from tests.conftest import DEMO

Start = Callable[..., "subprocess.Popen[bytes]"]
LONG = ("generate", "It was", "-n", "500", "--ignore-eos", "--seed", "1")
SIGNALS = pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)],
    ids=["INT", "TERM", "HUP"],
)


def wait_until(true: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.005)


def ended(process: subprocess.Popen[bytes], within: float) -> tuple[int, list[str]]:
    """The exit status, and what stands on stderr beside the model."""
    started = time.monotonic()
    process.wait(30)
    assert time.monotonic() - started < within
    assert process.stderr is not None
    return process.returncode, without_model_lines(process.stderr.read().decode())


@pytest.mark.parametrize(
    ("number", "status", "threads"),
    [(signal.SIGINT, 130, "1"), (signal.SIGINT, 130, "2"), (signal.SIGTERM, 143, "2")],
)
def test_while_decoding(start: Start, number: int, status: int, threads: str) -> None:
    process = start(*LONG, "-t", threads)
    assert process.stdout is not None
    process.stdout.read(8)
    process.send_signal(number)
    assert ended(process, within=1) == (status, [])


@SIGNALS
def test_while_scoring(start: Start, number: int, status: int, tmp_path: Path) -> None:
    outputs = ("--per-token", tmp_path / "tokens.jsonl", "--html", tmp_path / "page.html")
    process = start("perplexity", DEMO / "eval.txt", *outputs, "--json")
    wait_until(lambda: list(tmp_path.iterdir()), process)
    time.sleep(0.3)
    process.send_signal(number)
    assert ended(process, within=1.5) == (status, [])
    assert list(tmp_path.iterdir()) == []
    assert process.stdout is not None
    assert process.stdout.read() == b""


@pytest.mark.parametrize(
    ("number", "status", "later"),
    [(signal.SIGINT, 130, 0), (signal.SIGTERM, 143, 2)],
    ids=["while quantizing", "while certifying"],
)
def test_while_publishing(
    start: Start, in_own_store: Pythia, number: int, status: int, later: float
) -> None:
    before = listing(in_own_store.store)
    quantize = ("quantize", DEMO / "step0", "--as", "mine@1", "--certify", DEMO / "eval.txt")
    process = start(*quantize, of=in_own_store)
    wait_until(lambda: list(in_own_store.store.glob("incoming/*/*")), process)
    time.sleep(later)
    process.send_signal(number)
    assert ended(process, within=3) == (status, [])
    assert listing(in_own_store.store) == before


@pytest.mark.parametrize("threads", ["1", "2"])
def test_while_compiling(start: Start, pythia: Pythia, tmp_path: Path, threads: str) -> None:
    cold = replace(pythia, cache=tmp_path / "cache")
    before = listing(pythia.store)
    process = start(*LONG, "-t", threads, of=cold)
    assert process.stderr is not None
    while not process.stderr.readline().startswith(b"compiling kernels"):
        assert process.poll() is None
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert ended(process, within=3) == (130, [])
    assert listing(pythia.store) == before


def test_the_reader_leaves(start: Start) -> None:
    process = start(*LONG)
    assert process.stdout is not None
    assert len(process.stdout.read(20)) == 20
    process.stdout.close()
    assert ended(process, within=5) == (141, [])


@pytest.mark.parametrize(
    "command",
    [("--help",), ("checkpoint", "list"), ("perplexity", DEMO / "step0/config.json", "-q")],
)
def test_the_reader_is_gone_from_the_start(start: Start, command: tuple[str | Path, ...]) -> None:
    process = start(*command)
    assert process.stdout is not None
    process.stdout.close()
    assert ended(process, within=30) == (141, [])
