"""A kill, a failure or another writer at some moments of each work. bench/faults.py does all."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import GOLDEN
from tests.faults import LOCKS

ROOT = Path(__file__).resolve().parent.parent.parent
EVERY = "23"
"""Each work has some sixty moments, of which two or three are tried here."""


def small_folder(folder: Path, name: str) -> Path:
    """A model that is published in milliseconds: that is done hundreds of times."""
    shutil.copytree(GOLDEN / "models" / name, folder / name)
    shutil.copy(GOLDEN / "tokenizer/tiny.json", folder / name / "tokenizer.json")
    return folder / name


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
@pytest.mark.parametrize("locks", LOCKS)
def test_no_checkpoint_is_lost(tmp_path: Path, locks: str) -> None:
    """In a process of its own, as it is forked."""
    model, other = (small_folder(tmp_path, name) for name in ("head8-f16", "head12-f32"))
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", tmp_path / "stores", model, other, locks, EVERY],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["killed"] > 8
    assert figures["failed"] == 2 * figures["killed"]
    assert (figures["met"] > 0) == (locks != "work")
