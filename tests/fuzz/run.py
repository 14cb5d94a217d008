"""Fuzzes: `python -m tests.fuzz.run --inputs 1000000 --jobs 2 [--target NAME] [--seed N]`.

Prints for each target its inputs, how many were accepted, and each new kind of fault, whose first
input is written to --save. Ends with status 1 if there was a fault.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.target import TARGETS
from tests.fuzz.worker import HEAD, stored_inputs

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
_BLOCK = 20_000  # inputs of a worker, which then gives its memory back
_LONGEST = 30.0  # seconds of wall time for one input
_LOOK = 0.25  # seconds between two looks at a worker


@dataclass
class Outcome:
    """Counts of inputs, and the first input of each kind of fault: (index, input)."""

    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    faults: int = 0
    kinds: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def add(self, other: Outcome) -> list[str]:
        """Add the counts of another outcome. Returns the kinds of fault that are new."""
        new = [kind for kind in other.kinds if kind not in self.kinds]
        self.inputs += other.inputs
        self.accepted += other.accepted
        self.refused += other.refused
        self.faults += other.faults
        self.kinds = {**other.kinds, **self.kinds}
        return new


def fuzz(
    name: str, inputs: int, seed: int, jobs: int, tell: Callable[[str, int, bytes], None]
) -> Outcome:
    """Check so many inputs of a target. tell(kind, index, input) is called once per fault."""
    size = min(_BLOCK, -(-inputs // jobs))
    blocks = [(first, min(size, inputs - first)) for first in range(0, inputs, size)]
    total = Outcome()
    with ThreadPoolExecutor(jobs) as pool:
        for outcome in pool.map(lambda block: _block(name, str(seed), *block), blocks):
            for kind in total.add(outcome):
                tell(kind, *outcome.kinds[kind])
    return total


def check_stored(name: str, folder: Path) -> Outcome:
    """Check the files of a folder, in the order of their names."""
    return _block(name, str(folder), 0, len(stored_inputs(folder)))


def _block(name: str, source: str, first: int, n: int) -> Outcome:
    total = Outcome()
    end = first + n
    while first < end:
        outcome, first = _worker(name, source, first, end - first)
        total.add(outcome)
    return total


def _worker(name: str, source: str, first: int, n: int) -> tuple[Outcome, int]:
    """One process. Returns what it did, and the index of the next input."""
    with tempfile.TemporaryDirectory(prefix="fuzz-", dir=_memory_folder()) as scratch:
        folder = Path(scratch)
        state, out, log = (folder / part for part in ("state", "out", "log"))
        state.write_bytes(HEAD.pack(-1, 0, 0, 0, 0))
        (folder / "target").mkdir()
        with out.open("wb") as stdout, log.open("ab") as stderr:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.fuzz.worker", name, source, str(first), str(n), state,
                 folder / "target"],
                cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr,
                env={**os.environ, "PYTHONHASHSEED": "0"},
            )  # fmt: skip
            hung = _wait(process, state)
            process.wait()
        index, accepted, refused, faults, length = HEAD.unpack_from(state.read_bytes())
        if index < 0:
            raise RuntimeError(f"{name} did not start:\n{log.read_text(errors='replace')}")
        outcome = Outcome(accepted + refused + faults, accepted, refused, faults)
        for line in out.read_text().splitlines():
            known = json.loads(line)
            outcome.kinds[known["fault"]] = known["index"], base64.b64decode(known["data"])
        if process.returncode == 0:
            return outcome, index
        if process.returncode > 0:  # the fault is in the target itself
            raise RuntimeError(f"{name} failed:\n{log.read_text(errors='replace')}")
        outcome.inputs += 1
        outcome.faults += 1
        kind = "hang" if hung else signal.Signals(-process.returncode).name
        kind += _place(log.read_text(errors="replace"))
        outcome.kinds[kind] = index, state.read_bytes()[HEAD.size : HEAD.size + length]
        return outcome, index + 1


def _wait(process: subprocess.Popen[bytes], state: Path) -> bool:
    """Wait for a worker; ends one that stays at an input. Returns whether it did."""
    index, since = -1, time.monotonic()
    while True:
        try:
            process.wait(_LOOK)
            return False
        except subprocess.TimeoutExpired:
            (now, *_) = HEAD.unpack_from(state.read_bytes())
            if now != index:
                index, since = now, time.monotonic()
            elif index >= 0 and time.monotonic() - since > _LONGEST:
                process.send_signal(signal.SIGABRT)  # it says where it is
                try:
                    process.wait(_LOOK)
                except subprocess.TimeoutExpired:
                    process.kill()
                return True


def _place(log: str) -> str:
    """The innermost function of ours that a dead worker was in."""
    found = re.search(r'/pythia_cli/.*?(\w+)\.py", line [0-9]+ in (.+)', log)
    return f" in {found.group(1)}.{found.group(2)}" if found else ""


def _memory_folder() -> str | None:
    """A folder in memory, where there is one: inputs are written as files."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def save(folder: Path, kind: str, data: bytes) -> Path:
    """Write an input that showed a fault. Its name is made from the fault."""
    folder.mkdir(parents=True, exist_ok=True)
    slug = re.sub(r"[^A-Za-z0-9]+", "-", kind)[:60].strip("-").lower()
    path = folder / f"{slug}-{hashlib.sha256(data).hexdigest()[:6]}"
    path.write_bytes(data)
    return path


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description=__doc__)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--target", action="append", choices=TARGETS)
    parser.add_argument("--save", type=Path, default=CORPUS, help="folder for new faults")
    options = parser.parse_args()
    has_fault = False
    for name in options.target or TARGETS:

        def tell(kind: str, index: int, data: bytes, name: str = name) -> None:
            path = save(options.save / name, kind, data)
            print(f"{name}: input {index}: {kind}\n    {path}", flush=True)

        started = time.monotonic()
        outcome = fuzz(name, options.inputs, options.seed, options.jobs, tell)
        has_fault = has_fault or outcome.faults > 0
        seconds = time.monotonic() - started
        print(
            f"{name}: {outcome.inputs} inputs, {outcome.inputs / seconds:.0f}/s,"
            f" {outcome.accepted / outcome.inputs:.1%} accepted,"
            f" {outcome.refused / outcome.inputs:.1%} refused, {outcome.faults} faults"
            f" of {len(outcome.kinds)} kinds",
            flush=True,
        )
    return int(has_fault)


if __name__ == "__main__":
    sys.exit(main())
