"""Do two versions of pythia give the same bits? 20 seeded generations and 20 perplexities.

    python bench/same_bits.py OTHER_PYTHON [--full FOLDER]

OTHER_PYTHON is the interpreter of an environment with the other version. This version is that of
the interpreter that runs the script. Both use the same store, which the other version fills. FOLDER
is a full-size float checkpoint (tools/make_full_model.py); it is made if none is given. The last
line of stdout is JSON. The exit status is 1 if a bit differs. Fields that only this version has are
not compared; the fields that differ are printed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from full_model import ROOT, float_model, install

TEXT = (ROOT / "pythia_cli/demo/eval.txt").read_text(encoding="utf-8")
TIMES = ("seconds", "load_", "tokens_per_second")

SAMPLING = (
    (), ("--temperature", "0"), ("--top-k", "40"), ("--top-p", "0.9"), ("--min-p", "0.1"),
    ("--repetition-penalty", "1.3"), ("--temperature", "0.7", "--top-k", "50", "--top-p", "0.95"),
    ("--num-samples", "3"), ("--ignore-eos",), ("--stop", "the"),
)  # fmt: skip
PROTOCOLS = (
    (), ("--context", "128"), ("--context", "200", "--stride", "50"), ("--bos",),
    ("--protocol", "llama.cpp", "--context", "256"), ("--protocol", "lm-eval", "--context", "256"),
    ("--protocol", "document"), ("--protocol", "document", "--bos"), ("--context", "64", "--bos"),
    ("--protocol", "llama.cpp", "--context", "100", "--bos"),
)  # fmt: skip


def commands(models: list[str], text: Path) -> list[list[str]]:
    """20 generations and 20 perplexities, half of them with each model."""
    made = []
    for model in models:
        for seed, options in enumerate(SAMPLING):
            prompt = TEXT[97 * seed : 97 * seed + 60 + 40 * seed]
            made.append(
                ["generate", prompt, "-m", model, "-n", "24", "--seed", str(seed), *options]
            )
        made += [["perplexity", str(text), "-m", model, *options] for options in PROTOCOLS]
    return made


def environment(python: str, home: Path) -> dict[str, str]:
    return {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {
        "PYTHIA_HOME": str(home / "store"),
        "PYTHIA_CACHE": str(home / f"cache-{Path(python).parent.as_posix().replace('/', '-')}"),
    }


def run(python: str, home: Path, command: list[str]) -> list[dict[str, Any]]:
    """The records of a command, without fields that depend on time."""
    done = subprocess.run(
        [python, "-m", "pythia_cli", *command, "--json"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
        env=environment(python, home),
        cwd=home,
    )  # fmt: skip
    records = [json.loads(line) for line in done.stdout.splitlines()]
    return [
        {key: value for key, value in record.items() if not any(t in key for t in TIMES)}
        for record in records
    ]


def differing_fields(other: list[dict[str, Any]], ours: list[dict[str, Any]]) -> list[str]:
    """The other version's fields that we lack or that have another value, by record."""
    if len(other) != len(ours):
        return ["number of records"]
    return [
        key
        for theirs, own in zip(other, ours, strict=True)
        for key, value in theirs.items()
        if key not in own or own[key] != value
    ]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("other")
    parser.add_argument("--full", type=Path)
    given = parser.parse_args()
    given.other = os.path.abspath(given.other)  # not resolved: that would leave its environment
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        text = home / "text.txt"
        text.write_text(TEXT[:6000], encoding="utf-8")
        full = (given.full or float_model(home / "full")).absolute()
        install(given.other, full, home, environment(given.other, home))
        differing = []
        everything = commands(["demo", "full"], text)
        for command in everything:
            other = run(given.other, home, command)  # first: it fills the store
            fields = differing_fields(other, run(sys.executable, home, command))
            if fields:
                differing.append(command)
            print("differs" if fields else "same   ", *command[2:], *fields, flush=True)
            assert other
    print(json.dumps({"n_commands": len(everything), "n_differing": len(differing)}))
    sys.exit(bool(differing))


if __name__ == "__main__":
    main()
