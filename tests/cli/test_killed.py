"""kill -9 in the midst of download, quantize and publish. bench/kills.py does it 200 times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.running import Pythia
from tests.fakes.hub import Hub
from tests.fakes.suite import make_repository
from tests.killing import Killing


@pytest.mark.parametrize(("locks", "n_kills"), [("work", 8), ("ignored", 4), ("ENOSYS", 4)])
def test_killed_at_random_moments(pythia: Pythia, tmp_path: Path, locks: str, n_kills: int) -> None:
    with Hub(make_repository(tmp_path / "hub")) as hub:
        own = replace(pythia, store=tmp_path / "store")
        killing = Killing(own, hub, tmp_path, locks=locks)
        n_killed = 0
        for _ in range(n_kills):
            n_killed += killing.kill()
            killing.check()
            killing.restore()
        assert n_killed >= n_kills // 2
