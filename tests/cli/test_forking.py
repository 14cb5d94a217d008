"""A child of a process that has done the imports does what a process of its own does."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from tests.cli.forking import Forks
from tests.cli.running import MODULE, Pythia, can_be_forked

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="runs are forked on Linux only")
FRESH = (sys.executable, "-s", *MODULE[1:])


@pytest.mark.parametrize("columns", [None, "40"])
@pytest.mark.parametrize(
    "command",
    [
        "generate It -n 3 --seed 1 --temperature 1",
        "perplexity -",
        "surprisal missing.txt",
        "generate --none",
        "tokenize --help",
    ],
)
def test_it_does_what_a_fresh_interpreter_does(
    pythia: Pythia, command: str, columns: str | None
) -> None:
    """But with an environment that is read by imports, it is one."""
    env = {} if columns is None else {"COLUMNS": columns}
    text = "Call me Ishmaël.".encode()
    assert can_be_forked(text, pythia.environment(**env)) == (columns is None)
    forked, fresh = (
        pythia(*command.split(), stdin=text, env=env, command=way, status=None)
        for way in (MODULE, FRESH)
    )
    assert forked == fresh


def test_long_arguments(pythia: Pythia) -> None:
    tokenize = ("tokenize", "--ids", "é" * 40_000)
    assert pythia(*tokenize) == pythia(*tokenize, command=FRESH)


def test_a_run_that_takes_too_long_is_ended(pythia: Pythia, tmp_path: Path) -> None:
    forks, open_files = Forks(pythia.environment()), len(os.listdir("/proc/self/fd"))
    os.mkfifo(tmp_path / "text")  # to which nobody writes
    forks.run(["--version"], pythia.environment(), tmp_path, b"", 60)
    with pytest.raises(TimeoutError, match="is not done"):
        forks.run(["perplexity", "text"], pythia.environment(), tmp_path, b"", 1)
    assert len(os.listdir("/proc/self/fd")) == open_files
    ended = time.monotonic() + 60
    while any_run_of(tmp_path):
        assert time.monotonic() < ended
        time.sleep(0.01)


def any_run_of(folder: Path) -> bool:
    """Whether a process works in this folder."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(process / "cwd")) == folder:
                return True
        except OSError:  # it has ended, or is another user's
            continue
    return False


def test_the_end_of_the_process_that_forks_is_said(pythia: Pythia) -> None:
    forks = Forks(pythia.environment())
    forks._server.kill()
    forks._server.wait()
    for _ in range(2):
        with pytest.raises(RuntimeError, match="has ended with -9"):
            forks.run(["--version"], pythia.environment(), pythia.folder, b"", 60)
