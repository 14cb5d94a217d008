"""A kill, a failure or another writer at some moments of each work. bench/faults.py does all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pythia_cli.checkpoints.float_checkpoint import FloatCheckpoint
from tests.faults import LOCKS

ROOT = Path(__file__).resolve().parent.parent.parent
EVERY = "23"
"""Each work has some sixty moments."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
@pytest.mark.parametrize("locks", LOCKS)
def test_no_checkpoint_is_lost(
    tmp_path: Path, small: FloatCheckpoint, other: FloatCheckpoint, locks: str
) -> None:
    """In a process of its own, as it is forked."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", tmp_path, small.folder, other.folder, locks, EVERY],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["killed"] > 8
    assert figures["failed"] == 2 * figures["killed"]
    assert (figures["met"] > 0) == (locks != "work")
