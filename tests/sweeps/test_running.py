"""What fails is recorded, the others are done, and a later run goes on."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import IntegrityError, NotInstalled, PythiaError, ResourceError
from pythia_cli.sweeps import folder as folder_module
from pythia_cli.sweeps.folder import SweepFolder
from pythia_cli.sweeps.making import WantedMeasure
from pythia_cli.sweeps.plan import SweepPlan
from pythia_cli.sweeps.problems import InputChanged
from pythia_cli.sweeps.running import CellsDone
from pythia_cli.sweeps.status import status_of
from pythia_cli.sweeps.sweep import HowToRun, run_sweep
from pythia_cli.sweeps.table import table_rows
from tests.reporting import Recording

Planned = Callable[..., SweepPlan]


class Sweeping:
    """A sweep of two steps of the demo; `run()` does what is missing of it."""

    def __init__(self, path: Path, store: Store, plan: SweepPlan) -> None:
        self.folder, self.store, self.plan = SweepFolder(path), store, plan
        self.failed: list[tuple[str, PythiaError]] = []
        self.reporter = Recording()
        self.folder.write_plan(plan)

    def run(self, **how: Any) -> CellsDone:
        self.failed = []
        chosen = HowToRun(n_threads=1, failed=lambda *one: self.failed.append(one), **how)
        return run_sweep(self.folder, self.store, chosen, self.reporter)

    def results(self) -> dict[str, int]:
        return {
            str(path.relative_to(self.folder.path)): path.stat().st_mtime_ns
            for path in self.folder.path.glob("cells/*/*/*.json")
        }


@pytest.fixture
def sweeping(tmp_path: Path, demo_store: Store, planned: Planned) -> Sweeping:
    return Sweeping(tmp_path / "run", demo_store, planned())


def test_all_cells_once(sweeping: Sweeping) -> None:
    assert sweeping.run() == CellsDone(4, 0, None)
    assert sweeping.reporter.of("cells").done == 4
    before = sweeping.results()
    assert sweeping.run() == CellsDone(0, 0, None)
    assert sweeping.results() == before
    assert (sweeping.folder.path / "table.csv").exists()


def test_shares_make_the_whole(sweeping: Sweeping) -> None:
    assert sweeping.run(shard=(2, 2)).n_measured == 2
    assert {row["step"] for row in table_rows(sweeping.folder) if row["figure"]} == {64}
    assert sweeping.run(shard=(1, 2)).n_measured == 2
    assert sweeping.run().n_measured == 0


def test_another_input_is_measured_alone(
    sweeping: Sweeping, planned: Planned, inputs: Path
) -> None:
    sweeping.run()
    before = sweeping.results()
    (inputs / "text.txt").write_text("Quite another text, which is long enough.")
    sweeping.folder.write_plan(planned())
    assert sweeping.run() == CellsDone(2, 0, None)
    assert before.items() <= sweeping.results().items()
    assert {row["n"] for row in table_rows(sweeping.folder) if row["measure"] == "perplexity"} < {
        *range(20)
    }


def test_an_input_that_is_changed_meanwhile(sweeping: Sweeping, inputs: Path) -> None:
    (inputs / "text.txt").write_text("Quite another text, which is long enough.")
    done = sweeping.run()
    assert (done.n_measured, done.n_failed) == (2, 2)
    assert isinstance(done.first, InputChanged)
    assert [where for where, _ in sweeping.failed] == [
        "perplexity of text.txt at demo@0",
        "perplexity of text.txt at demo@64",
    ]


def test_one_input_cannot_be_read_once(sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch) -> None:
    from pythia_cli.sweeps.whole_texts import SweptPerplexity

    real = SweptPerplexity.take

    def fails_at_64(self: Any, model: Any, *rest: Any) -> Any:
        if model.checkpoint.step == 64:
            raise ResourceError("text.txt", "cannot be read (Input/output error)")
        return real(self, model, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(SweptPerplexity, "take", fails_at_64)
        assert sweeping.run().n_failed == 1
    found = status_of(sweeping.folder)
    assert (found.count("done"), found.count("failed")) == (3, 1)
    ((where, failure),) = found.failures
    assert where == "perplexity of text.txt at demo@64"
    assert failure.kind == "ResourceError"
    assert sweeping.run() == CellsDone(0, 0, None)  # what failed is left alone ...
    assert sweeping.run(retry=True) == CellsDone(1, 0, None)  # ... until it is asked for
    assert status_of(sweeping.folder).failures == []


def test_a_disk_that_is_full_once(sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch) -> None:
    real = folder_module.write_json
    is_full = [True]

    def write(path: Path, content: dict[str, Any]) -> None:
        if path.name.startswith("pairs") and "figures" in content and is_full:
            is_full.pop()
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(folder_module, "write_json", write)
        done = sweeping.run()
    assert (done.n_measured, done.n_failed) == (3, 1)
    assert "No space left" in str(done.first)
    assert sweeping.run(retry=True) == CellsDone(1, 0, None)


def test_a_disk_that_stays_full_ends_the_sweep(
    sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(path: Path, content: dict[str, Any]) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(folder_module, "write_json", write)
        with pytest.raises(ResourceError, match="No space left"):
            sweeping.run()
    assert sweeping.run() == CellsDone(4, 0, None)


def test_a_checkpoint_that_is_damaged(tmp_path: Path, demo_store: Store, planned: Planned) -> None:
    store = Store(tmp_path / "store")
    shutil.copytree(demo_store.folder, store.folder)
    (installed, other) = store.installed()
    weights = other.weights.read_bytes()
    other.weights.write_bytes(weights[:100])
    sweeping = Sweeping(tmp_path / "run", store, planned())
    done = sweeping.run()
    assert (done.n_measured, done.n_failed) == (2, 1)
    found = status_of(sweeping.folder)
    assert (found.count("done"), found.count("failed")) == (2, 2)
    assert found.failures[0][0] == "demo@64"
    assert sweeping.run() == CellsDone(0, 0, None)
    other.weights.write_bytes(weights)
    assert sweeping.run(retry=True) == CellsDone(2, 0, None)
    assert installed.checkpoint.step == 0


def test_other_weights_under_the_same_name(sweeping: Sweeping, planned: Planned) -> None:
    sweeping.run()
    cell = sweeping.plan.cells_of(sweeping.plan.checkpoints[1])[0]
    path = sweeping.folder.rows(cell).with_suffix(".json")
    content = json.loads(path.read_text())
    content["provenance"]["source"]["sha256"] = "f" * 64
    path.write_text(json.dumps(content))
    (gone,) = sweeping.folder.path.glob("cells/demo/step64/perplexity-*.json")
    gone.unlink()
    done = sweeping.run()
    assert isinstance(done.first, IntegrityError)
    assert "measured with another source" in str(done.first)


def test_a_damaged_result_is_measured_again_on_demand(sweeping: Sweeping) -> None:
    sweeping.run()
    cell = sweeping.plan.cells_of(sweeping.plan.checkpoints[1])[0]
    path = sweeping.folder.rows(cell).with_suffix(".json")
    whole = path.read_bytes()
    path.write_bytes(whole[:20])
    assert sweeping.run() == CellsDone(0, 0, None)
    assert sweeping.run(retry=True) == CellsDone(1, 0, None)
    assert sweeping.folder.result(cell).figures
    assert sweeping.run(retry=True) == CellsDone(0, 0, None)


def test_what_failed_for_how_it_was_run_is_tried_again_otherwise(
    tmp_path: Path, planned: Planned
) -> None:
    store = Store(tmp_path / "store")
    sweeping = Sweeping(tmp_path / "run", store, replace(planned(), dtype="float16"))
    assert sweeping.run().n_failed == 2
    assert sweeping.run() == CellsDone(0, 0, None)
    sweeping.folder.write_plan(planned())
    assert sweeping.run() == CellsDone(4, 0, None)


def test_one_cell_of_two_labels_is_measured_once(
    sweeping: Sweeping, planned: Planned, inputs: Path
) -> None:
    pairs = WantedMeasure("pairs", ["pairs.jsonl"], folder=inputs)
    plan = planned(pairs, replace(pairs, label="again"))
    sweeping.folder.write_plan(plan)
    assert sweeping.run() == CellsDone(2, 0, None)
    assert len([row for row in table_rows(sweeping.folder) if row["figure"] == "accuracy"]) == 8


def test_a_checkpoint_removed_before_it_is_opened(
    tmp_path: Path, planned: Planned, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pythia_cli.sweeps import running

    real, is_gone = running.load, [True]

    def load(model: str, step: int, **how: Any) -> Any:
        if is_gone:
            is_gone.pop()
            raise NotInstalled(model, step, downloadable=True)
        return real(model, step, **how)

    sweeping = Sweeping(tmp_path / "run", Store(tmp_path / "store"), planned())
    monkeypatch.setattr(running, "load", load)
    assert sweeping.run() == CellsDone(4, 0, None)


def test_a_new_measure_is_added_to_what_is_there(
    sweeping: Sweeping, planned: Planned, inputs: Path
) -> None:
    sweeping.run()
    more = WantedMeasure("surprisal", ["words.tsv"], folder=inputs)
    sweeping.folder.write_plan(
        planned(
            WantedMeasure("pairs", ["pairs.jsonl"], folder=inputs),
            WantedMeasure("perplexity", ["text.txt"], folder=inputs),
            more,
        )
    )
    assert sweeping.run() == CellsDone(2, 0, None)
    assert {row["measure"] for row in table_rows(sweeping.folder)} == {
        "pairs",
        "perplexity",
        "surprisal",
    }


def test_another_process_has_a_checkpoint(
    sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pythia_cli.sweeps import running

    claim = sweeping.folder.claim(sweeping.plan.checkpoints[0])
    assert claim is not None

    def ends(seconds: float) -> None:
        # It has done what it could.
        assert {row["step"] for row in table_rows(sweeping.folder) if row["figure"]} == {64}
        claim.close()

    monkeypatch.setattr(running.time, "sleep", ends)
    assert sweeping.run() == CellsDone(4, 0, None)
    assert sweeping.reporter.notes == ["waiting for another pythia process, which works on demo@0"]
