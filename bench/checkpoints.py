"""Time of checkpoint commands: list and switch with 154 steps, switch a full-size one, download.

    python bench/checkpoints.py [--keep FOLDER] [--rounds 5]

Processes are timed from start to exit; figures are medians over the rounds. The download is a
full-size random pythia-410m from a fake Hub on this machine. It is compared with plainly reading,
hashing and writing the same bytes (both with fsync). The last line of stdout is JSON. POSIX only.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from full_model import float_model  # noqa: E402
from machine import process_cost, seconds_of  # noqa: E402

from tests.fakes.hub import Branch, Hub  # noqa: E402

MODEL = "pythia-410m"
REPO = f"EleutherAI/{MODEL}"
_PIECE = 1 << 22


def pythia(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pythia_cli", *arguments]


def plainly(source: Path, target: Path) -> float:
    """Seconds to read, hash and write a file."""

    def work() -> None:
        digest = hashlib.sha256()
        with source.open("rb") as read, target.open("wb") as written:
            while piece := read.read(_PIECE):
                digest.update(piece)
                written.write(piece)
            written.flush()
            os.fsync(written.fileno())

    seconds = seconds_of(work)
    target.unlink()
    return seconds


class DiskWatch:
    """Measures the largest size of a folder's files during the `with` block, in bytes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.most = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> DiskWatch:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            held = 0
            for root, _, names in os.walk(self.folder):
                for name in names:
                    try:
                        held += os.lstat(os.path.join(root, name)).st_blocks * 512
                    except OSError:
                        continue
            self.most = max(self.most, held)


def many(folder: Path, rounds: int) -> dict[str, float]:
    """Seconds of `list` and `use` with all 154 steps installed, each a copy of the small demo."""
    from pythia_cli.checkpoints.manifest import MANIFEST
    from pythia_cli.checkpoints.store import Store
    from pythia_cli.files.publishing import write_json
    from pythia_cli.suite.checkpoint import Checkpoint
    from pythia_cli.suite.steps import STEPS

    environment = {"PYTHIA_HOME": str(folder / "many")}
    process_cost(pythia("generate", "x", "-n", "1", "-m", "demo"), environment)
    store = Store(folder / "many")
    (demo,) = store.installed()
    for step in STEPS:
        place = store.place(Checkpoint(MODEL, step))
        shutil.copytree(demo.folder, place)
        write_json(place / MANIFEST, {**demo.manifest, "model": MODEL, "step": step})
    figures: dict[str, list[float]] = {}
    commands = {
        "list_154": ("checkpoint", "list"),
        "list_154_json": ("checkpoint", "list", "--json"),
        "use_154": ("checkpoint", "use", f"{MODEL}@3000"),
        "use_other_154": ("checkpoint", "use", "64"),
        "help": ("--help",),
    }
    for _ in range(rounds):
        for name, arguments in commands.items():
            cost = process_cost(pythia(*arguments), environment)
            figures.setdefault(name, []).append(cost["seconds"])
    return {f"{name}_s": statistics.median(values) for name, values in figures.items()}


def switching(int8: Path, rounds: int) -> dict[str, float]:
    """Seconds to open a full-size checkpoint in this process, and to get its first token."""
    from pythia_cli.engine.transformer import Transformer
    from pythia_cli.kernels import compiled
    from pythia_cli.weights.int8_file import Int8File

    compiled.load()
    ready, first = [], []
    for _ in range(rounds):
        started = time.perf_counter()
        model = Transformer(Int8File(int8), 2)
        cache = model.new_cache()
        ready.append(time.perf_counter() - started)
        model.prefill(np.array([1, 2, 3]), cache)
        first.append(time.perf_counter() - started)
    return {
        "switch_ready_s": statistics.median(ready),
        "switch_first_token_s": statistics.median(first),
    }


def downloading(source: Path, folder: Path, rounds: int) -> dict[str, float]:
    """Cost of `pythia download` as a process, and of copying and hashing the same bytes plainly."""
    figures: dict[str, list[float]] = {}
    server = subprocess.Popen(
        [sys.executable, __file__, "--serve", str(source)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    store = folder / "downloaded"
    environment = {
        "PYTHIA_HOME": str(store),
        "HF_ENDPOINT": server.stdout.readline().strip(),
        "HF_HOME": str(folder / "hf"),
    }
    process_cost(pythia("generate", "x", "-n", "1", "-m", "demo"), environment)
    before = sum(path.stat().st_size for path in store.rglob("*") if path.is_file())
    for _ in range(rounds):
        figures.setdefault("plain_s", []).append(
            plainly(source / "model.safetensors", folder / "plain")
        )
        with DiskWatch(store) as disk:
            cost = process_cost(pythia("download", "-m", MODEL), environment)
        figures.setdefault("download_s", []).append(cost["seconds"])
        figures.setdefault("peak_mib", []).append(cost["peak_mib"])
        figures.setdefault("peak_disk_mb", []).append((disk.most - before) / 1e6)
        process_cost(pythia("checkpoint", "remove", "main", "-m", MODEL, "-y"), environment)
    server.communicate("")
    found = {name: statistics.median(values) for name, values in figures.items()}
    ratios = [d / p for d, p in zip(figures["download_s"], figures["plain_s"], strict=True)]
    return {**found, "download_of_plain": statistics.median(ratios)}


def serve(source: Path) -> None:
    with Hub({REPO: {"step143000": Branch("1" * 40, source)}}) as hub:
        hub.sha256(source / "model.safetensors")
        print(hub.url, flush=True)
        sys.stdin.read()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="where to keep the float checkpoint")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        source = float_model((arguments.keep or folder) / "safetensors")
        figures = many(folder, arguments.rounds)
        figures |= downloading(source, folder, min(arguments.rounds, 3))
        os.environ["PYTHIA_HOME"] = str(folder / "switched")
        subprocess.run(
            pythia("quantize", str(source), "--as", f"{MODEL}@main", "--quiet"), check=True
        )
        (int8,) = folder.glob(f"switched/checkpoints/{MODEL}/*/model-*")
        figures |= switching(int8, arguments.rounds)
    for name, value in figures.items():
        print(f"{name:22} {value:.3f}", file=sys.stderr)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
