"""The tiles of processors that this one is not, but can stand in for: in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pythia_cli.jit import processor

TIER = "avx512-vnni"
SCRIPT = """
import sys
from pathlib import Path
import pytest
from pythia_cli.kernels.tiles.lanes import WIDENS_FIRST
assert str(WIDENS_FIRST) == sys.argv[1]
sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", "tests/kernels/test_linear.py"]))
"""


@pytest.mark.skipif(
    processor.architecture() != "x86_64" or not processor.features().get("avx512vnni", False),
    reason=f"needs the tier {TIER}",
)
@pytest.mark.parametrize(
    ("name", "widens_first"), [("icelake-server", True), ("znver4", False)], ids=str
)
def test_linears_without_tile_registers(name: str, widens_first: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(widens_first)],
        env=os.environ | {"PYTHIA_SIMD": TIER, "NUMBA_CPU_NAME": name},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
