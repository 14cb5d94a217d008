"""The full-size random pythia-410m that the benchmarks run."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def float_model(folder: Path, *options: str) -> Path:
    """Make the model in float16 as a Hugging Face folder, if it is not there.

    options: of tools/make_full_model.py.
    """
    if not (folder / "tokenizer.json").is_file():  # written last
        subprocess.run(
            [sys.executable, ROOT / "tools/make_full_model.py", folder, *options],
            check=True, stdout=sys.stderr,
        )  # fmt: skip
    return folder


def install(python: str, folder: Path, home: Path, environment: Mapping[str, str]) -> None:
    """Install a float checkpoint as `full` with the pythia of this interpreter, run in `home`."""
    subprocess.run(
        [python, "-m", "pythia_cli", "quantize", folder, "--as", "full@1"],
        check=True, cwd=home, env=environment, stdout=sys.stderr,
    )  # fmt: skip
