"""What a sweep costs beside opening checkpoints and measuring: 8 full-size checkpoints, 2 measures.

    python bench/sweep_overhead.py [--model FOLDER] [--steps 8] [--rounds 3]

The checkpoints are one full-size random pythia-410m under several steps. Wall time of the command
against the sum of opening and measuring in one process, in turn; and the time of `sweep status`
for 154 checkpoints and 20 cells each. The last line is JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from full_model import float_model

import pythia_cli
from pythia_cli.reporting import SILENT
from pythia_cli.suite.steps import STEPS
from pythia_cli.sweeps.figures import Figure
from pythia_cli.sweeps.folder import CellResult, SweepFolder
from pythia_cli.sweeps.measures import measure_of
from pythia_cli.sweeps.plan import PlannedMeasure, SweepInput, SweepPlan
from tests.cli.running import MODULE

_NAME = "full"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        store = pythia_cli.Store(folder / "store")
        model = arguments.model or float_model(folder / "full")
        _install_steps(store, model, arguments.steps)
        _write_inputs(folder)
        walls, sums = [], []
        for number in range(arguments.rounds + 1):  # the first one compiles and fills caches
            wall = _seconds(lambda: _command(store, folder, f"run{number}", arguments.steps))  # noqa: B023
            alone = _alone(store, folder, arguments.steps)
            if number:
                walls.append(wall)
                sums.append(alone)
            print(f"sweep {wall:.2f} s, opening and measuring {alone:.2f} s", flush=True)
        ratio = statistics.median(w / s for w, s in zip(walls, sums, strict=True))
        status = _status(folder / "large")
    print(json.dumps({"overhead": round(ratio, 3), "status_s": round(status, 3)}))


def _install_steps(store: pythia_cli.Store, model: Path, n: int) -> None:
    """One checkpoint, and the same files under other steps."""
    (first,) = pythia_cli.install(_NAME, 0, folder=model, store=store)
    for step in range(1, n):
        place = first.folder.with_name(f"step{step}")
        place.mkdir()
        os.link(first.weights, place / first.weights.name)
        manifest = json.loads((first.folder / "manifest.json").read_text())
        (place / "manifest.json").write_text(json.dumps({**manifest, "step": step}))


def _write_inputs(folder: Path) -> None:
    pairs = [
        {
            "sentence_good": f"The {i} dogs near the house bark.",
            "sentence_bad": f"The {i} dog bark.",
        }
        for i in range(40)
    ]
    (folder / "pairs.jsonl").write_text("".join(f"{json.dumps(pair)}\n" for pair in pairs))
    words = [f"It was the {i}th of the dogs that had barked at us." for i in range(20)]
    (folder / "words.tsv").write_text("text\n" + "".join(f"{line}\n" for line in words))


def _seconds(run: Callable[[], object]) -> float:
    begun = time.perf_counter()
    run()
    return time.perf_counter() - begun


def _command(store: pythia_cli.Store, folder: Path, name: str, n: int) -> None:
    steps = ",".join(map(str, range(n)))
    command = [*MODULE, "sweep", name, "-m", _NAME, "-c", steps, "--store", str(store.folder)]
    command += ["--pairs", "pairs.jsonl", "--surprisal", "words.tsv"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


def _alone(store: pythia_cli.Store, folder: Path, n: int) -> float:
    """Seconds of opening and measuring alone."""
    measures = {"pairs": "pairs.jsonl", "surprisal": "words.tsv"}
    begun = time.perf_counter()
    for step in range(n):
        with pythia_cli.load(_NAME, step, store=store) as model:
            for name, source in measures.items():
                rows = folder / "alone.tsv"
                measure_of(name, {}).take(model, str(folder / source), rows, SILENT)
                for path in folder.glob("alone.tsv*"):
                    path.unlink()
    return time.perf_counter() - begun


def _status(path: Path) -> float:
    """Seconds of `sweep status` for 154 checkpoints and 20 cells each, the median of 5."""
    inputs = tuple(SweepInput(f"{i}.tsv", f"/{i}.tsv", f"{i:064x}") for i in range(20))
    measure = PlannedMeasure("surprisal", "surprisal", {}, inputs)
    checkpoints = tuple(pythia_cli.Checkpoint("pythia-410m", step) for step in STEPS)
    plan, folder = SweepPlan(checkpoints, (measure,)), SweepFolder(path)
    folder.write_plan(plan)
    provenance = {"precision": "exact", "source": {"sha256": "0"}, "quantization": "q"}
    figures = [Figure(None, "surprisal", 1.0, 0.1, 9)]
    for checkpoint in checkpoints[:-4]:
        for cell in plan.cells_of(checkpoint):
            named = checkpoint.to_dict()
            folder.publish(
                cell, CellResult(named, {}, vars(cell.input), provenance, None, figures, 1.0, 1e9)
            )
    command = [*MODULE, "sweep", "status", str(path)]
    return statistics.median(
        _seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(5)
    )


if __name__ == "__main__":
    main()
