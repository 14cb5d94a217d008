"""kill -9 at random moments of a sweep with downloads. bench/sweep_kills.py does it 50 times."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.running import Pythia
from tests.fakes.hub import Hub
from tests.fakes.random_suite import MODEL, make_random_steps
from tests.sweeping import SweepKilling, write_inputs


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    with Hub(make_random_steps(tmp_path_factory.mktemp("hub"), (0, 1))) as running:
        yield running


def test_the_table_is_that_of_an_undisturbed_run(pythia: Pythia, hub: Hub, tmp_path: Path) -> None:
    pythia = replace(pythia, store=tmp_path / "store", folder=tmp_path)
    killing = SweepKilling(pythia, hub, tmp_path, ("demo@0,64", f"{MODEL}@0,1"), seed=3)
    while killing.n_killed < 5:
        killing.kill()
    killing.finish()


def test_two_at_once_do_each_cell_once(pythia: Pythia, tmp_path: Path) -> None:
    pythia = replace(pythia, store=tmp_path / "store", folder=tmp_path)
    command = ("sweep", "./run", "-m", "demo@0,64,512", *write_inputs(tmp_path))
    both = [pythia.start(*command, "--json", stderr=subprocess.DEVNULL) for _ in range(2)]
    for process in both:
        process.communicate()
        assert process.returncode == 0
    found = list((tmp_path / "run").glob("cells/*/*/*.json"))
    results = [path for path in found if ".tsv." not in path.name]
    assert len(results) == 9
    alone = pythia("sweep", "alone", *command[2:])
    assert alone.status == 0
    tables = [(tmp_path / name / "table.csv").read_bytes() for name in ("run", "alone")]
    assert tables[0] == tables[1]


def test_an_interrupt_leaves_what_is_done(pythia: Pythia, tmp_path: Path) -> None:
    pythia = replace(pythia, store=tmp_path / "store", folder=tmp_path)
    command = ("sweep", "./run", "-m", "demo@0,64,512", *write_inputs(tmp_path, 300))
    process = pythia.start(*command)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "run").glob("cells/*/*/*.json")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert "failures" not in os.listdir(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "locks")
    assert pythia(*command).status == 0
