"""Sweeps from Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import pythia_cli
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import InvalidValue, UsageError
from pythia_cli.sweeps.making import WantedMeasure
from pythia_cli.sweeps.problems import NoSweep
from pythia_cli.sweeps.sweep import HowToRun, Sweep


def test_a_sweep_and_reading_it(tmp_path: Path, inputs: Path, demo_store: Store) -> None:
    run = tmp_path / "run"
    made = pythia_cli.sweep(
        run, "demo", [0, 64], {"pairs": inputs / "*.jsonl"}, store=demo_store, n_threads=1
    )
    assert repr(made) == f"Sweep({str(run)!r}: 2 cells)"
    assert made.status().count("done") == 2
    again = Sweep(run)
    assert again.table() == made.table()
    assert [row["step"] for row in again.table() if row["figure"] == "accuracy"] == [0, 0, 64, 64]
    # Without measures it goes on with the plan that is there.
    assert pythia_cli.sweep(run, store=demo_store).table() == made.table()


def test_options_of_measures(tmp_path: Path, inputs: Path, demo_store: Store) -> None:
    wanted = WantedMeasure(
        "surprisal", [str(inputs / "words.tsv")], {"by": "token", "base": 10}, "nats"
    )
    made = pythia_cli.sweep(tmp_path / "run", "demo@0", None, [wanted], store=demo_store)
    assert {row["measure"] for row in made.table()} == {"nats"}


def test_there_is_no_sweep(tmp_path: Path) -> None:
    with pytest.raises(NoSweep):
        Sweep(tmp_path)
    with pytest.raises(NoSweep):
        pythia_cli.sweep(tmp_path)


@pytest.mark.parametrize(
    "asked", [{"models": "demo"}, {"steps": [0]}, {"dtype": "float32"}, {"plain_text": True}]
)
def test_what_is_asked_without_measures(tmp_path: Path, asked: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="without measures"):
        pythia_cli.sweep(tmp_path / "run", **asked)


@pytest.mark.parametrize(
    "how", [{"shard": (0, 2)}, {"shard": (3, 2)}, {"keep_under": 0}, {"n_threads": 0}]
)
def test_how_it_cannot_run(how: dict[str, object]) -> None:
    with pytest.raises(InvalidValue):
        HowToRun(**how)  # type: ignore[arg-type]
