"""A sweep of the demo and of a fake Hub's random steps, killed at random and run again."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pythia_cli.checkpoints.store import Store
from tests.cli.running import Pythia
from tests.fakes.hub import Hub
from tests.fakes.random_suite import MODEL
from tests.publishing import leftovers

TEXTS = ("The dogs bark.", "A cat that sleeps dreams of mice.", "It was not her own house.")
N_MEASURES = 3


def write_inputs(folder: Path, n: int = 20) -> tuple[str, ...]:
    """Small inputs of three measures; the options of the command that names them."""
    text = folder / "text.txt"
    text.write_text(" ".join(TEXTS) * n)
    pairs = folder / "pairs.jsonl"
    rows = [
        {"sentence_good": f"The {i} dogs bark.", "sentence_bad": f"The {i} dogs barks.", "UID": "a"}
        for i in range(n)
    ]
    pairs.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    words = folder / "words.tsv"
    words.write_text("text\n" + "".join(f"{i} {TEXTS[i % 3]}\n" for i in range(n)))
    return ("--perplexity", text.name, "--pairs", pairs.name, "--surprisal", words.name)


@dataclass
class SweepKilling:
    """Runs `pythia sweep` in `folder`, kills it, and checks what is there.

    models: as -m takes them. seed: of the moments.
    """

    pythia: Pythia
    hub: Hub
    folder: Path
    models: Sequence[str] = ("demo@0,64,512,3000", f"{MODEL}@log,1000")
    seed: int = 0
    n_killed: int = field(default=0, init=False)
    n_finished: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._measures = write_inputs(self.folder)
        (self.folder / "hf").mkdir()
        self._environment = {"HF_ENDPOINT": self.hub.url, "HF_HOME": str(self.folder / "hf")}
        self._environment["HOME"] = str(self.folder)
        begun = time.perf_counter()
        self.run("whole", "store-whole")
        self.seconds = time.perf_counter() - begun
        """What an undisturbed sweep takes."""
        self._table = (self.folder / "whole" / "table.csv").read_bytes()
        self._names = _names(self.folder / "whole")
        self._stored = _names(self.folder / "store-whole")
        self._n_done = 0

    def run(self, name: str, store: str, *more: str) -> None:
        """Run a sweep to its end."""
        process = self._start(name, store, *more)
        _, err = process.communicate()
        assert process.returncode == 0, err.decode()

    def kill(self) -> None:
        """Kill a run at a random moment; if it ended before that, check it and begin another."""
        before = _results(self.folder / "killed")
        process = self._start("killed", "store-killed")
        try:
            process.communicate(timeout=self._random.uniform(0.2, self.seconds / 2))
            assert process.returncode == 0
            self._check_before(before)
            self.finish()
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            self.n_killed += 1
            self._check_before(before)

    def finish(self) -> None:
        """Run the killed sweep to its end, compare it with the undisturbed one, and remove it.

        What killed processes left in the store may stay for a day (docs/checkpoints.md).
        """
        before = _results(self.folder / "killed")
        self.run("killed", "store-killed")
        self._check_before(before)
        assert (self.folder / "killed" / "table.csv").read_bytes() == self._table
        assert _names(self.folder / "killed") == self._names
        store = self.folder / "store-killed"
        leftovers(Store(store))
        stored = _names(store)
        assert stored == self._stored, stored ^ self._stored
        self.n_finished += 1
        shutil.rmtree(self.folder / "killed")
        shutil.rmtree(self.folder / "store-killed")

    def _check_before(self, before: dict[str, tuple[int, int]]) -> None:
        """What was published is still that: no cell was measured twice."""
        after = _results(self.folder / "killed")
        assert {name: after.get(name) for name in before} == before

    def _start(self, name: str, store: str, *more: str) -> subprocess.Popen[bytes]:
        named = [part for model in self.models for part in ("-m", model)]
        of = replace(self.pythia, store=self.folder / store, folder=self.folder)
        return of.start("sweep", name, *named, *self._measures, *more, env=self._environment)


def _names(folder: Path) -> set[str]:
    """All files, but for locks; an int8 file has a name of its own each time."""
    return {
        str((path if ".int8." not in path.name else path.parent).relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and path.parent.name != "locks"
    }


def _results(folder: Path) -> dict[str, tuple[int, int]]:
    """The results of cells, with what changes when one is written again."""
    found = {}
    for path in folder.glob("cells/*/*/*.json"):
        if ".tsv." not in path.name:
            status = path.stat()
            found[str(path.relative_to(folder))] = (status.st_ino, status.st_mtime_ns)
    return found
