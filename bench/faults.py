"""A kill, a failure and another writer at every moment of work on a store (tests/faults.py).

    python bench/faults.py

With flock that works, that is ignored, and that is not there. After each it checks that every
checkpoint that was installed is installed and verifies, that the next writer works, and that a day
later nothing is left. A line of JSON for each, or the failure.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.faults import LOCKS

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / "pythia_cli/demo"


def main() -> int:
    failed = 0
    with tempfile.TemporaryDirectory() as temporary:
        for locks in LOCKS:
            folders = [f"{temporary}/{locks}", DEMO / "step64", DEMO / "step512"]
            command = [sys.executable, "-m", "tests.faults", *folders]
            failed += subprocess.run([*command, locks, "1"], cwd=ROOT, check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
