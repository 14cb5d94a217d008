"""A large input is read, measured and written in little memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

_RUN = """
import json, resource, sys
from pathlib import Path
from tests.tables.runs import run
from tests.tables.fakes import FakeModel

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

source, out, small = map(Path, sys.argv[1:])
run(small, out, models=[FakeModel()], batch=1000)
before = peak()
out.unlink()
n_rows = run(source, out, models=[FakeModel()], batch=1000).n_rows
print(json.dumps([n_rows, peak() - before]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="ru_maxrss is in KiB on Linux")
@pytest.mark.parametrize("suffix", [".tsv", ".csv", ".jsonl"])
def test_memory_is_bounded(tmp_path: Path, suffix: str) -> None:
    """Ten times what is read at once; the peak does not know how large the file is."""
    source, small = tmp_path / "large.jsonl", tmp_path / "small.jsonl"
    n = 40_000
    line = json.dumps({"id": "i", "text": "Some text that is measured. " * 12}) + "\n"
    source.write_text(line * n)
    small.write_text(line * 2_000)
    command = [sys.executable, "-c", _RUN, str(source), str(tmp_path / f"out{suffix}"), str(small)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    n_rows, mb = json.loads(done.stdout)
    assert n_rows == n
    assert mb < 5
