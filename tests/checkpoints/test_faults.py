"""A kill, a failure or another writer at some moments of each work. bench/faults.py does all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import LOCKS

ROOT = Path(__file__).resolve().parent.parent.parent
EVERY = "31"
"""Each work has some sixty moments, of which one or two are tried here."""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
@pytest.mark.parametrize("locks", LOCKS)
def test_no_checkpoint_is_lost(
    tmp_path: Path, demo_folder: Callable[[int], Path], locks: str
) -> None:
    """In a process of its own, as it is forked."""
    model, other = demo_folder(64), demo_folder(512)
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", tmp_path, model, other, locks, EVERY],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["killed"] > 8
    assert figures["failed"] == 2 * figures["killed"]
    assert (figures["met"] > 0) == (locks != "work")
