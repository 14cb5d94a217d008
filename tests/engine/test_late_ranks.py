"""Ranks that are late at any meeting or claim change no figure."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_late_ranks_change_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.engine.late_ranks", "10"]
    environment = os.environ | {"PYTHIA_CACHE": str(tmp_path)}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 8
