"""A mapped file that is cut short while it is used: one line and an exit status, no signal."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.running import Pythia, without_model_lines
from tests.conftest import DEMO

Start = Callable[..., "subprocess.Popen[bytes]"]
INTEGRITY = 6

pytestmark = pytest.mark.skipif(
    not hasattr(signal, "SIGBUS"), reason="no SIGBUS on this system: a mapped file cannot be cut"
)


def cut(store: Path) -> Path:
    """Cut the int8 file of a store behind its header."""
    (path,) = store.glob("checkpoints/demo/step3000/model-*")
    with path.open("r+b") as file:
        file.truncate(50_000)
    return path


def test_while_decoding(start: Start, in_own_store: Pythia) -> None:
    process = start(
        "generate", "It was", "-n", "500", "--ignore-eos", "--seed", "1", of=in_own_store
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(8)
    path = cut(in_own_store.store)
    process.stdout.read()
    assert process.wait(60) == INTEGRITY
    assert without_model_lines(process.stderr.read().decode()) == [
        f"error: {path}: was cut short or cannot be read any more; try: pythia checkpoint verify"
    ]


def test_while_scoring(start: Start, in_own_store: Pythia, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.jsonl"
    process = start("perplexity", DEMO / "eval.txt", "--per-token", tokens, of=in_own_store)
    assert process.stderr is not None
    assert process.stderr.readline().startswith(b"demo step3000")
    path = cut(in_own_store.store)
    assert process.wait(60) == INTEGRITY
    (line,) = without_model_lines(process.stderr.read().decode())
    assert line.startswith(f"error: {path}: ")
    assert not tokens.exists()


# A file mapped by the process itself, cut, and read by Python code that holds the GIL.
_PROGRAM = """
import mmap, sys, time
from pathlib import Path
from pythia_cli.cli import bus_errors
path = Path(sys.argv[1])
path.write_bytes(bytes(1 << 16))
bus_errors.watch(path)
deadline = time.monotonic() + 60
while bus_errors._kept == [None] and time.monotonic() < deadline:
    time.sleep(0.01)
time.sleep(0.1)
with path.open("r+b") as file:
    mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    file.truncate(0)
print(mapped[9000])
"""


@pytest.mark.parametrize("name", ["plain", "\x1b[31mred\n", "x" * 200])
def test_in_python_code(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, str(path)], capture_output=True, timeout=120, check=False
    )
    assert (done.returncode, done.stdout) == (INTEGRITY, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("error: ")
    assert "\x1b" not in line
    assert line.endswith("was cut short or cannot be read any more; try: pythia checkpoint verify")


def test_a_user_who_wants_a_traceback_gets_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-X",
            "faulthandler",
            "-c",
            _PROGRAM.replace("60", "0"),
            str(tmp_path / "x"),
        ],
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGBUS
    assert b"Bus error" in done.stderr
    assert b"checkpoint verify" not in done.stderr


def test_the_library_installs_no_handler(tmp_path: Path) -> None:
    program = (
        "import ctypes, signal, pythia_cli; pythia_cli.load('demo').score('It was');"
        "set_handler = ctypes.CDLL(None).signal; set_handler.restype = ctypes.c_void_p;"
        "print(set_handler(signal.SIGBUS, None))"  # the one before; None is the default
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, timeout=240, check=True, cwd=tmp_path
    )
    assert done.stdout == b"None\n"
