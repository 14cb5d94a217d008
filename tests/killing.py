"""kill -9 at random moments of a download, and what has to be true afterwards."""

from __future__ import annotations

import random
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from pythia_cli.checkpoints.open_checkpoint import open_checkpoint
from pythia_cli.checkpoints.store import Store
from tests.cli.running import Pythia
from tests.fakes.hub import Hub
from tests.fakes.suite import MODEL
from tests.publishing import leftovers

WITHOUT_LOCKS = {
    "ignored": "import fcntl\nfcntl.flock = lambda *arguments: None\n",
    "ENOSYS": "import fcntl\ndef flock(*arguments): raise OSError(38, '')\nfcntl.flock = flock\n",
}


@dataclass
class Killing:
    """`kill()` once, then `restore()`: a store whose writers are killed many times.

    locks: as in faults.py.
    """

    pythia: Pythia
    hub: Hub
    home: Path
    seed: int = 0
    locks: str = "work"

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)
        self._environment = {
            "HF_ENDPOINT": self.hub.url,
            "HF_HOME": str(self.home / "hf"),
            "HOME": str(self.home),
            "PYTHONPATH": str(self.home / "start"),
        }
        (self.home / "start").mkdir()
        # Python runs it as it starts.
        (self.home / "start/sitecustomize.py").write_text(WITHOUT_LOCKS.get(self.locks, ""))
        self.store = Store(self.pythia.store)
        self._run("64,512")
        started = time.perf_counter()
        self._run("512", "--replace")
        self.seconds = time.perf_counter() - started
        """What an undisturbed run takes."""

    def _arguments(self, steps: str, *more: str) -> list[str]:
        return ["download", "-m", MODEL, "-c", steps, *more]

    def _run(self, steps: str, *more: str) -> None:
        done = self.pythia(*self._arguments(steps, *more), env=self._environment)
        assert ("files cannot be locked" in done.err) == (self.locks != "work")

    def kill(self) -> bool:
        """Kill a run at a random moment of its life; whether it was still alive then."""
        process = self.pythia.start(
            *self._arguments("512,143000", "--replace"),
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            process.wait(self._random.uniform(0, 1.3 * self.seconds))
            return False
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            return True

    def check(self) -> None:
        """All that is listed is whole; nothing that was there before is gone."""
        steps = set()
        for installed in self.store.installed():
            file = open_checkpoint(self.store, installed.checkpoint).file
            assert file.damaged_tensors() == []
            assert installed.tokenizer_path(file.tokenizer_sha256).is_file()
            steps.add(installed.checkpoint.step)
        assert steps >= {64, 512}

    def restore(self) -> None:
        """The next run succeeds, and leaves nothing of what died."""
        self._run("512", "--replace")
        self.check()
        if self.locks == "work":
            assert list(self.store.incoming.iterdir()) == []
        found = [name for name in leftovers(self.store) if not name.startswith("partial/")]
        expected = 1  # the tokenizer
        for installed in self.store.installed():
            names = sorted(path.name for path in installed.folder.iterdir())
            assert names == ["manifest.json", installed.weights.name]
            expected += 2
        assert len(found) == expected
        assert list(self.store.incoming.iterdir()) == []
        # The next download of a checkpoint goes on with these.
        waiting = {path.name for path in self.store.folder.glob("partial/*")}
        assert waiting <= {f"{MODEL}@143000"}
