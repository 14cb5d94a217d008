"""Ctrl-C while a large text is read, tokenized or scored."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.running import without_model_lines
from tests.cli.test_interrupts import heeds_sigterm

Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 MB. In one call of the library, without pieces, it takes a minute and 10 GB."""
    path = tmp_path_factory.mktemp("large") / "large.txt"
    path.write_text("the sea was grey, and she acknowledged him\n" * 1_400_000)
    return path


@pytest.mark.skipif(sys.platform != "linux", reason="/proc shows when the command has started")
@pytest.mark.parametrize("seconds", [0.2, 0.9, 1.7, 3.1])
def test_ctrl_c_at_any_moment(start: Start, large: Path, seconds: float) -> None:
    process = start("perplexity", large, "-m", "demo")
    deadline = time.monotonic() + 30
    while not heeds_sigterm(process.pid):
        assert time.monotonic() < deadline
        time.sleep(0.001)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert without_model_lines(err.decode()) == []
    assert process.returncode == 130
