"""Speed and memory of this version beside another, in turn in one run, as ratios.

    python bench/two_versions.py OTHER_PYTHON [--full FOLDER] [--rounds N]

OTHER_PYTHON is the interpreter of an environment with the other version in it. Both use one store,
which the other version fills with a full-size random pythia-410m (tools/make_full_model.py; FOLDER
where there is one). Above 1 is better for this version, but for memory. The last line of stdout is
JSON. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from full_model import ROOT, float_model, install
from machine import process_cost

RATES = ("decode", "late_decode", "together", "prefill", "score")


def environment(home: Path, name: str) -> dict[str, str]:
    """PYTHONPATH is empty, because it would put one version in the place of the other."""
    folders = {"PYTHIA_HOME": str(home / "store"), "PYTHIA_CACHE": str(home / name)}
    return {**folders, "PYTHONPATH": ""}


def measured(python: str, home: Path, name: str, text: Path) -> dict[str, float]:
    """All figures of one version, once."""
    own = environment(home, name)
    command = [python, "-m", "pythia_cli"]
    done = subprocess.run(
        [*command, "bench", "-m", "full", "--rounds", "1", "--json"],
        stdout=subprocess.PIPE, check=True, env=os.environ | own, cwd=home,
    )  # fmt: skip
    record = json.loads(done.stdout)
    found = {rate: record[f"{rate}_tokens_per_second"] for rate in RATES}
    cold = [
        process_cost([*command, "generate", "Call me", "-n", "1", "-m", "full"], own, home)[
            "seconds"
        ]
        for _ in range(3)
    ]
    helps = [process_cost([*command, "--help"], own, home)["seconds"] for _ in range(7)]
    found["cold_first_token"] = 1 / statistics.median(cold)
    found["help"] = 1 / statistics.median(helps)
    generate = ["generate", "Call me Ishmael.", "-n", "64", "--ignore-eos", "-m", "full"]
    found["peak_mib_generate"] = process_cost([*command, *generate], own, home)["peak_mib"]
    perplexity = ["perplexity", str(text), "-m", "full"]
    found["peak_mib_perplexity"] = process_cost([*command, *perplexity], own, home)["peak_mib"]
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("other")
    parser.add_argument("--full", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    given.other = os.path.abspath(given.other)  # not resolved: that would leave its environment
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        text = home / "text.txt"
        text.write_bytes((ROOT / "pythia_cli/demo/eval.txt").read_bytes()[:12_000])
        full = (given.full or float_model(home / "full")).absolute()
        install(given.other, full, home, os.environ | environment(home, "other"))
        ratios: dict[str, list[float]] = {}
        for turn in range(-1, given.rounds):  # the first warms up, and compiles
            ours = measured(sys.executable, home, "ours", text)
            other = measured(given.other, home, "other", text)
            if turn < 0:
                continue
            for name, value in ours.items():
                ratios.setdefault(name, []).append(value / other[name])
            shown = ", ".join(f"{n} {v[-1]:.3f}" for n, v in ratios.items())
            print(f"round {turn + 1}: {shown}", file=sys.stderr, flush=True)
    medians = {name: round(statistics.median(values), 3) for name, values in ratios.items()}
    for name, value in medians.items():
        spread = f"{min(ratios[name]):.3f} .. {max(ratios[name]):.3f}"
        print(f"{name:22} {value:.3f}   {spread}")
    print(json.dumps(medians))


if __name__ == "__main__":
    main()
