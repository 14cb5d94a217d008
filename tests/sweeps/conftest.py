"""Small inputs, a store with two steps of the demo, and one with twelve small checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pythia_cli.checkpoints.install import install
from pythia_cli.checkpoints.store import Store
from pythia_cli.sweeps.making import WantedMeasure, WantedSweep, make_plan
from pythia_cli.sweeps.plan import SweepPlan
from tests.checkpoints.conftest import pauses, reporter, serve
from tests.sweeping import write_inputs
from tests.sweeps.clusters import Twelve

__all__ = ["pauses", "reporter", "serve"]


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder with text.txt, pairs.jsonl and words.tsv."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    write_inputs(folder, 4)
    return folder


@pytest.fixture(scope="session")
def demo_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with the demo's steps 0 and 64."""
    store = Store(tmp_path_factory.mktemp("sweeps") / "store")
    install("demo", [0, 64], store=store)
    return store


@pytest.fixture
def planned(inputs: Path, demo_store: Store) -> Callable[..., SweepPlan]:
    """planned(*measures): of the demo's steps 0 and 64; pairs and perplexity if none is named."""

    def make(*measures: WantedMeasure, **how: str) -> SweepPlan:
        chosen = measures or (
            WantedMeasure("pairs", ["pairs.jsonl"], folder=inputs),
            WantedMeasure("perplexity", ["text.txt"], folder=inputs),
        )
        return make_plan(WantedSweep(["demo"], [0, 64], chosen, **how), demo_store)

    return make


@pytest.fixture(scope="session")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Twelve:
    """Twelve checkpoints, with inputs that take no time."""
    return Twelve(tmp_path_factory.mktemp("twelve")).make()


@pytest.fixture(scope="session")
def expected(twelve: Twelve) -> bytes:
    """The table of an undisturbed run of `twelve`."""
    return twelve.table()


@pytest.fixture(scope="session")
def slow_twelve(tmp_path_factory: pytest.TempPathFactory) -> Twelve:
    """The same, with cells that take long enough to be disturbed."""
    return Twelve(tmp_path_factory.mktemp("slow"), n_repeats=2500).make()


@pytest.fixture(scope="session")
def slow_expected(slow_twelve: Twelve) -> bytes:
    """The table of an undisturbed run of `slow_twelve`."""
    return slow_twelve.table()
