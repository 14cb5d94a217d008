"""A sweep of twelve small checkpoints, to be run in several processes, and the table it must give.

`make check-clusters` sets PYTHIA_TEST_CLUSTERS for the tests that take longer.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from pythia_cli.checkpoints.install import install
from pythia_cli.checkpoints.store import Store
from pythia_cli.reporting import Reporter
from pythia_cli.suite.config import ModelConfig
from pythia_cli.sweeps.folder import SweepFolder
from pythia_cli.sweeps.making import WantedMeasure, WantedSweep, make_plan
from pythia_cli.sweeps.sweep import HowToRun, run_sweep
from tests.float_folders import Folder

N_CHECKPOINTS = 12
SHAPE = ModelConfig(n_layers=2, n_heads=2, d_model=32, d_mlp=64, d_vocab=4096, n_ctx=128)
TEXTS = ("The dogs bark.", "A cat that sleeps dreams of mice.", "It was not her own house.")

slow = pytest.mark.skipif(
    not os.environ.get("PYTHIA_TEST_CLUSTERS"), reason="takes a minute: make check-clusters"
)


class Notes(Reporter):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)

    def having(self, words: str) -> str:
        """The one notice with these words."""
        (only,) = (text for text in self.texts if words in text)
        return only


@dataclass(frozen=True)
class Twelve:
    """A store with twelve checkpoints, and inputs of three measures.

    n_repeats: how often the inputs are repeated, which makes cells take longer.
    """

    folder: Path
    n_repeats: int = 20

    @property
    def store(self) -> Store:
        return Store(self.folder / "store")

    def make(self) -> Twelve:
        """Write the checkpoints and the inputs."""
        for step in range(N_CHECKPOINTS):
            made = Folder(self.folder / f"float{step}", SHAPE)
            for tensor in made.tensors.values():
                tensor *= 0.05 * (1 + step / N_CHECKPOINTS)
            made.save()
            install("tiny", step, folder=made.path, store=self.store)
        self._write_inputs()
        return self

    def _write_inputs(self) -> None:
        n = self.n_repeats
        (self.folder / "text.txt").write_text(" ".join(TEXTS * n))
        rows = [
            {"sentence_good": f"The {i} dogs bark.", "sentence_bad": f"The {i} dogs barks."}
            for i in range(n)
        ]
        (self.folder / "pairs.jsonl").write_text("".join(f"{json.dumps(one)}\n" for one in rows))
        lines = "".join(f"{i} {TEXTS[i % 3]}\n" for i in range(n))
        (self.folder / "words.tsv").write_text(f"text\n{lines}")

    def planned(self, name: str) -> SweepFolder:
        """A folder with the plan, and nothing done."""
        inputs = {"perplexity": "text.txt", "pairs": "pairs.jsonl", "surprisal": "words.tsv"}
        measures = [WantedMeasure(m, [file], folder=self.folder) for m, file in inputs.items()]
        found = SweepFolder(self.folder / name)
        found.write_plan(make_plan(WantedSweep(["tiny"], "installed", measures), self.store))
        return found

    def table(self) -> bytes:
        """The table of an undisturbed run in this process."""
        folder = self.planned("undisturbed")
        done = run_sweep(folder, self.store, HowToRun())
        assert done.n_failed == 0, done.first
        return table_of(folder)


def table_of(folder: SweepFolder) -> bytes:
    return (folder.path / "table.csv").read_bytes()


def n_results(folder: SweepFolder) -> int:
    """How many cells have a result."""
    return len(results(folder))


def results(folder: SweepFolder) -> dict[str, tuple[int, int]]:
    """Each result with its inode and time: a result that is published again has others."""
    return {
        str(path.relative_to(folder.path)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.path.glob("cells/*/*/*.json")
        if not path.name.startswith(".") and ".tsv." not in path.name
    }


def strays(folder: SweepFolder) -> list[Path]:
    """Temporary files that were left, and failures."""
    ours = [path for path in folder.path.iterdir() if path.name != "slurm"]
    found = [path for top in ours for path in (top, *top.rglob("*"))]
    return [
        path
        for path in found
        if path.name.startswith(".") or ".partial" in path.name or path.name == "failures"
    ]


def wait_until(is_true: Callable[[], object], seconds: float = 60) -> None:
    """Raises AssertionError if it is not true in time."""
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "it does not become true"
        time.sleep(0.02)
