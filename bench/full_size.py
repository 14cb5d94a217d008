"""Time and peak memory of commands on a full-size random pythia-410m, and the size of its file.

    python bench/full_size.py [--keep FOLDER]

Makes the checkpoint in both published file formats (1.8 GB). With --keep they are kept in FOLDER
and used again by later runs. The last line of stdout is JSON. POSIX only.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from full_model import ROOT, float_model
from machine import process_cost

STEPS = {"safetensors": "143000", "bin": "142000"}


def measured(arguments: list[str], store: Path) -> dict[str, float]:
    """Run `pythia ARGUMENTS`. Returns wall seconds and peak resident memory; exits if it fails."""
    command = [sys.executable, "-m", "pythia_cli", *arguments]
    cost = process_cost(command, {"PYTHIA_HOME": str(store)})
    return {"seconds": round(cost["seconds"], 2), "peak_mib": round(cost["peak_mib"], 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", type=Path, help="where to keep the float checkpoints")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        floats = arguments.keep or Path(temporary) / "float"
        store = Path(temporary) / "store"
        text = Path(temporary) / "text.txt"
        text.write_bytes((ROOT / "pythia_cli/demo/eval.txt").read_bytes()[:24_000])
        figures: dict[str, object] = {}
        # The first run compiles the kernels, so it is not measured.
        measured(["generate", "x", "-n", "1", "-m", "demo"], store)
        for form, step in STEPS.items():
            folder = float_model(floats / form, *(["--bin"] if form == "bin" else []))
            figures[f"quantize_{form}"] = measured(
                ["quantize", str(folder), "--as", f"pythia-410m@{step}"], store
            )
        weights = next(store.glob(f"checkpoints/pythia-410m/step{STEPS['bin']}/*.safetensors"))
        figures["int8_file_mb"] = weights.stat().st_size / 1e6
        model = ["-m", "pythia-410m"]
        figures["generate_64"] = measured(
            ["generate", "Call me Ishmael.", "-n", "64", "--ignore-eos", *model], store
        )
        figures["generate_1"] = measured(["generate", "Call me", "-n", "1", *model], store)
        figures["perplexity_2048"] = measured(["perplexity", str(text), *model], store)
    for name, value in figures.items():
        print(f"{name:22} {value}", file=sys.stderr)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
