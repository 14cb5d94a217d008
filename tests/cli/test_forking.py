"""A child of a process that has done the imports does what a process of its own does."""

from __future__ import annotations

import sys

import pytest

from tests.cli.forking import Forks
from tests.cli.running import MODULE, Pythia

FRESH = (sys.executable, "-s", *MODULE[1:])


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
def test_it_does_what_a_fresh_interpreter_does(pythia: Pythia, command: str) -> None:
    forked, fresh = (
        pythia(*command.split(), stdin="Call me Ishmaël.".encode(), command=way, status=None)
        for way in (MODULE, FRESH)
    )
    assert forked == fresh


@pytest.mark.skipif(sys.platform != "linux", reason="runs are forked on Linux only")
def test_a_run_that_takes_too_long_is_ended(pythia: Pythia) -> None:
    forks = Forks(pythia.environment())
    generate = ["generate", "It", "-n", "100000000"]
    with pytest.raises(TimeoutError, match="not done"):
        forks.run(generate, pythia.environment(), pythia.folder, b"", 0)
