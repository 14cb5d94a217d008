"""kill -9 in the midst of download, quantize and publish. bench/kills.py does it 200 times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.cli.running import Pythia
from tests.fakes.hub import Hub
from tests.fakes.suite import make_repository
from tests.killing import Killing

N_KILLS = 8


def test_killed_at_random_moments(pythia: Pythia, tmp_path: Path) -> None:
    with Hub(make_repository(tmp_path / "hub")) as hub:
        killing = Killing(replace(pythia, store=tmp_path / "store"), hub, tmp_path)
        n_killed = 0
        for _ in range(N_KILLS):
            n_killed += killing.kill()
            killing.check()
            killing.restore()
        assert n_killed >= N_KILLS // 2
