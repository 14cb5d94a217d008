"""Before the command line can be imported: one line, with what helps."""

from __future__ import annotations

import subprocess
import sys

import pytest

MEMORY, FILES = "allow more memory (ulimit -v)", "allow more open files (ulimit -n)"


@pytest.mark.parametrize(
    ("failure", "reason", "hint"),
    [
        ("MemoryError()", "not enough memory", MEMORY),
        ("OSError(12, 'Cannot allocate memory')", "Cannot allocate memory", MEMORY),
        ("OSError(24, 'Too many open files')", "Too many open files", FILES),
        ("OSError(23, 'Too many open files in system')", "Too many open files in system", FILES),
        ("OSError(13, 'Permission denied')", "Permission denied", "install pythia again"),
    ],
)
def test_the_command_line_cannot_be_imported(failure: str, reason: str, hint: str) -> None:
    script = f"""
import sys
class Failing:
    def find_spec(self, name, path, target=None):
        if name == "pythia_cli.cli":
            raise {failure}
sys.meta_path.insert(0, Failing())
from pythia_cli.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (7, "")
    assert done.stderr == f"error: pythia cannot be loaded ({reason}); try: {hint}\n"
