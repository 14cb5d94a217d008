"""Ctrl-C while a large text is read, tokenized or scored."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.running import Pythia, without_model_lines
from tests.cli.test_interrupts import heeds_sigterm

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 MB. In one call of the library, without pieces, it takes a minute and 10 GB."""
    path = tmp_path_factory.mktemp("large") / "large.txt"
    path.write_text("the sea was grey, and she acknowledged him\n" * 1_400_000)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="/proc shows when the command has started")
@pytest.mark.parametrize("protocol", ["stride", "document"])
@pytest.mark.parametrize("seconds", [0.2, 0.9, 1.7, 3.1])
def test_ctrl_c_at_any_moment(start: Start, large: Path, seconds: float, protocol: str) -> None:
    process = start("perplexity", large, "-m", "demo", "--protocol", protocol)
    deadline = time.monotonic() + 30
    while not heeds_sigterm(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert without_model_lines(err.decode()) == []
    assert process.returncode == 130


@pytest.fixture
def several_pieces(tmp_path: Path, eval_text: str) -> Path:
    path = tmp_path / "pieces.txt"
    path.write_text((eval_text * 10)[:70_000])
    return path


@pytest.mark.parametrize(
    "variables",
    [{"RAYON_NUM_THREADS": "20000"}, {"RUST_MIN_STACK": "9" * 14, "TOKENIZERS_PARALLELISM": "1"}],
)
def test_the_tokenizers_library_starts_no_threads(
    pythia: Pythia, several_pieces: Path, variables: dict[str, str]
) -> None:
    """The first would be 20,000, and no thread can have the stack of the second."""
    plain = pythia("perplexity", several_pieces, "-q")
    done = pythia("perplexity", several_pieces, "-q", env=variables)
    assert (done.out, done.err) == (plain.out, "")


FEW_THREADS = """
import sys, threading
from pythia_cli.cli import app
start = threading.Thread.start

def refuse(self):
    if "tokenizing" in self.name:
        raise RuntimeError("can't start new thread")
    start(self)

threading.Thread.start = refuse
sys.argv = ["pythia", "perplexity", sys.argv[1], "-q"]
app.main()
"""


def test_no_thread_to_tokenize_in(pythia: Pythia, several_pieces: Path) -> None:
    plain = pythia("perplexity", several_pieces, "-q")
    done = pythia(several_pieces, command=(sys.executable, "-c", FEW_THREADS))
    assert (done.out, done.err) == (plain.out, "")
