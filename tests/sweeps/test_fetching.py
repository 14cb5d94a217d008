"""Missing checkpoints are fetched ahead, and go again when room is short."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.checkpoints.install import install
from pythia_cli.checkpoints.publish import remove
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import IntegrityError, NetworkError, NotInstalled, ResourceError
from pythia_cli.measures.certificate import TextCertifier
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.models import MODELS
from pythia_cli.sweeps import folder as folder_module
from pythia_cli.sweeps.fetching import Fetcher, _bytes_in
from pythia_cli.sweeps.folder import SweepFolder
from pythia_cli.sweeps.making import WantedMeasure, WantedSweep, make_plan
from pythia_cli.sweeps.problems import RoomTooSmall
from pythia_cli.sweeps.status import status_of
from pythia_cli.sweeps.sweep import HowToRun, run_sweep
from pythia_cli.sweeps.table import table_rows
from pythia_cli.sweeps.whole_texts import SweptPerplexity
from tests.checkpoints.conftest import Serve
from tests.fakes.hub import Branch, Hub
from tests.fakes.random_suite import MODEL, REPO, make_random_steps
from tests.float_folders import Folder
from tests.reporting import Recording

STEPS = (0, 1, 2, 4, 8)
Sweeper = Callable[..., tuple[SweepFolder, Any]]


@pytest.fixture(scope="module")
def repos(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Branch]]:
    return make_random_steps(tmp_path_factory.mktemp("random"), STEPS)


@pytest.fixture
def hub(serve: Serve, repos: dict[str, dict[str, Branch]]) -> Hub:
    return serve({name: dict(branches) for name, branches in repos.items()})


@pytest.fixture
def swept(tmp_path: Path, inputs: Path, store: Store, reporter: Recording) -> Sweeper:
    """swept(**how): the sweep's folder and what the run did, of all STEPS by one measure."""

    def run(steps: tuple[int, ...] = STEPS, **how: Any) -> tuple[SweepFolder, Any]:
        wanted = WantedMeasure("perplexity", ["text.txt"], folder=inputs)
        folder = SweepFolder(tmp_path / "run")
        folder.write_plan(make_plan(WantedSweep([MODEL], steps, [wanted]), store))
        return folder, run_sweep(folder, store, HowToRun(n_threads=1, **how), reporter)

    return run


@pytest.fixture
def largest(store: Store) -> Iterator[list[int]]:
    """The sizes of the store, looked at all the time."""
    sizes = [0]
    is_over = threading.Event()

    def look() -> None:
        while not is_over.wait(0.005):
            sizes.append(_bytes_in(store.folder))

    thread = threading.Thread(target=look)
    thread.start()
    yield sizes
    is_over.set()
    thread.join()


def test_missing_checkpoints_are_fetched(hub: Hub, store: Store, swept: Sweeper) -> None:
    folder, done = swept((0, 1))
    assert (done.n_measured, done.n_failed) == (2, 0)
    assert [one.checkpoint.step for one in store.installed()] == [0, 1]
    assert status_of(folder).count("done") == 2
    before = len(hub.requests)
    swept((0, 1))
    assert len(hub.requests) == before  # all is done: nothing is asked


def test_room_for_three_is_never_exceeded(
    hub: Hub, store: Store, swept: Sweeper, largest: list[int], reporter: Recording
) -> None:
    install(MODEL, 2, store=store)
    one = _bytes_in(store.folder)
    size = (hub.repos[REPO]["step0"].folder or Path()) / "model.safetensors"
    limit = 2 * one + int(1.7 * size.stat().st_size)
    folder, done = swept(keep_under=limit)
    assert (done.n_measured, done.n_failed) == (5, 0), done
    assert max(largest) <= limit
    left = [installed.checkpoint.step for installed in store.installed()]
    assert 2 in left  # was there before
    assert len(left) < len(STEPS)
    assert any(note.startswith(f"removed {MODEL}@") for note in reporter.notes)
    assert status_of(folder).count("done") == 5


def test_a_file_that_is_moved_while_it_is_counted_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a folder that was read to one that will be, as checkpoints are published."""
    before, after = tmp_path / "incoming/file", tmp_path / "published/file"
    for path in (before, after):
        path.parent.mkdir()
    before.write_bytes(bytes(1 << 20))
    monkeypatch.setattr(os, "walk", lambda top: walk(top))

    def walk(top: Path) -> Iterator[tuple[str, list[str], list[str]]]:
        yield str(before.parent), [], [before.name]
        before.rename(after)
        yield str(after.parent), [], [after.name]

    assert _bytes_in(tmp_path) == 1 << 20


def test_what_the_user_installed_again_stays(
    hub: Hub, store: Store, swept: Sweeper, reporter: Recording
) -> None:
    folder, _ = swept((0,))
    fetcher = Fetcher(store, folder.path, lambda one: False, lambda one: True)
    assert fetcher._fetched() == [Checkpoint(MODEL, 0)]
    remove(store, Checkpoint(MODEL, 0))
    install(MODEL, 0, store=store)
    assert fetcher._fetched() == []


def test_a_process_that_was_killed_when_it_had_just_installed_it(
    hub: Hub, store: Store, swept: Sweeper
) -> None:
    folder, _ = swept((0,))
    (mark,) = (store.folder / "sweeps").iterdir()
    noted = mark.read_text()
    mark.write_text(noted.splitlines(keepends=True)[0])
    fetcher = Fetcher(store, folder.path, lambda one: False, lambda one: True)
    fetcher.start(Checkpoint(MODEL, 0)).result()
    assert mark.read_text() == noted
    mark.write_text(noted.splitlines(keepends=True)[0])
    os.utime(mark, (1e9, 1e9))  # an old mark: somebody else installed it since
    assert fetcher._fetched() == []


def test_a_failed_fetch_leaves_no_mark(hub: Hub, store: Store, swept: Sweeper) -> None:
    branches: Any = hub.repos[REPO]
    whole = branches["step1"]
    branches["step1"] = Branch(whole.commit, whole.folder, {"model.safetensors": "ab" * 32})
    swept((1,))
    assert list((store.folder / "sweeps").iterdir()) == []


def test_too_little_room(hub: Hub, store: Store, swept: Sweeper) -> None:
    _, done = swept((0, 1), keep_under=1_000_000)
    assert done.n_failed == 2
    assert isinstance(done.first, RoomTooSmall)
    assert "needs" in str(done.first)
    assert store.installed() == []


def test_one_step_is_not_to_be_had(hub: Hub, store: Store, swept: Sweeper) -> None:
    branches: Any = hub.repos[REPO]
    whole = branches["step1"]
    branches["step1"] = Branch(whole.commit, whole.folder, {"model.safetensors": "ab" * 32})
    folder, done = swept((0, 1, 2))
    assert (done.n_measured, done.n_failed) == (2, 1)
    assert isinstance(done.first, IntegrityError)
    assert [where for where, _ in status_of(folder).failures] == [f"{MODEL}@1"]
    branches["step1"] = whole
    _, done = swept((0, 1, 2), retry=True)
    assert (done.n_measured, done.n_failed) == (1, 0)


def test_a_hub_that_is_down(hub: Hub, store: Store, swept: Sweeper, pauses: list[float]) -> None:
    hub.faults.cdn_status_for_ever = 503
    _, done = swept((0, 1))
    assert done.n_failed == 2
    assert isinstance(done.first, NetworkError)
    hub.faults.cdn_status_for_ever = None
    _, done = swept((0, 1), retry=True)
    assert (done.n_measured, done.n_failed) == (2, 0)


def test_a_model_that_nobody_publishes(store: Store, tmp_path: Path) -> None:
    fetcher = Fetcher(store, tmp_path, lambda one: False, lambda one: True)
    with pytest.raises(NotInstalled):
        fetcher.start(Checkpoint("mine", 3)).result()


def test_certificates_are_made_on_the_way(
    inputs: Path, store: Store, tmp_path: Path, reporter: Recording
) -> None:
    wanted = WantedMeasure("perplexity", ["text.txt"], folder=inputs)
    folder = SweepFolder(tmp_path / "run")
    install("demo", 0, store=store)
    folder.write_plan(make_plan(WantedSweep(["demo"], [0, 64], [wanted]), store))
    certifier = TextCertifier("It was the best of times.", "short.txt")
    run_sweep(folder, store, HowToRun(n_threads=1, certifier=certifier), reporter)
    errors = [row for row in table_rows(folder) if row["measure"] == "certificate"]
    assert {(row["step"], row["input"]) for row in errors} == {(64, "short.txt")}
    assert any("demo@0 was installed without a certificate" in note for note in reporter.notes)


def test_a_fetch_that_is_stopped(hub: Hub, store: Store, tmp_path: Path) -> None:
    hub.faults.pause_seconds = 0.05
    fetcher = Fetcher(store, tmp_path, lambda one: False, lambda one: True)
    running = fetcher.start(Checkpoint(MODEL, 0))
    while not any(port == "cdn" for port, *_ in hub.requests):
        time.sleep(0.01)
    fetcher.stop()
    assert running.exception(timeout=10) is not None
    assert store.installed() == []


def test_faults_on_the_way(
    hub: Hub,
    store: Store,
    inputs: Path,
    tmp_path: Path,
    pauses: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The Hub fails for one step, sends other bytes of another; one text, and once the disk."""
    branches: Any = hub.repos[REPO]
    whole = branches["step2"]
    branches["step2"] = Branch(whole.commit, whole.folder, {"model.safetensors": "ab" * 32})
    hub.faults.cdn_status_of = {branches["step1"].commit: 503}
    wanted = [
        WantedMeasure("pairs", ["pairs.jsonl"], folder=inputs),
        WantedMeasure("perplexity", ["text.txt"], folder=inputs),
    ]
    folder = SweepFolder(tmp_path / "run")
    folder.write_plan(make_plan(WantedSweep([MODEL], STEPS, wanted), store))
    take, write, is_full = SweptPerplexity.take, folder_module.write_json, [True]

    def unreadable_at_4(self: Any, model: Any, *rest: Any) -> Any:
        if model.checkpoint.step == 4:
            raise ResourceError("text.txt", "cannot be read (Input/output error)")
        return take(self, model, *rest)

    def full_once(path: Path, content: dict[str, Any]) -> None:
        if "figures" in content and is_full:
            is_full.pop()
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(SweptPerplexity, "take", unreadable_at_4)
        patch.setattr(folder_module, "write_json", full_once)
        done = run_sweep(folder, store, HowToRun(n_threads=1))
    assert (done.n_measured, done.n_failed) == (4, 4)
    missing = {
        (row["step"], row["measure"]): row["error"]
        for row in table_rows(folder)
        if row["figure"] is None
    }
    assert {key: error.split(": ")[-1] for key, error in missing.items()} == {
        (0, "pairs"): "cannot be written (No space left on device)",
        (1, "pairs"): missing[1, "pairs"].split(": ")[-1],
        (1, "perplexity"): missing[1, "pairs"].split(": ")[-1],
        (2, "pairs"): missing[2, "pairs"].split(": ")[-1],
        (2, "perplexity"): missing[2, "pairs"].split(": ")[-1],
        (4, "perplexity"): "cannot be read (Input/output error)",
    }
    assert "503" in missing[1, "pairs"]
    assert "sha256" in missing[2, "pairs"]
    found = status_of(folder)
    assert (found.count("done"), found.count("failed")) == (4, 6)

    hub.faults.cdn_status_of = {}
    branches["step2"] = whole
    done = run_sweep(folder, store, HowToRun(n_threads=1, retry=True))
    assert (done.n_measured, done.n_failed) == (6, 0)
    assert all(row["error"] is None for row in table_rows(folder))
    assert not (folder.path / "failures").exists()


@pytest.mark.parametrize("is_limited", [True, False])
def test_what_is_whole_of_a_damaged_checkpoint_takes_no_room(
    hub: Hub, store: Store, swept: Sweeper, tmp_path: Path, is_limited: bool
) -> None:
    """Without a limit it stays, for the next time."""
    folder = Folder(tmp_path / "sharded", MODELS[MODEL])
    _, second = (path.name for path in folder.save_sharded())
    branches: Any = hub.repos[REPO]
    branches["step0"] = Branch("1" * 40, folder.path, {second: "ab" * 32})
    size = (branches["step1"].folder / "model.safetensors").stat().st_size
    _, done = swept((0, 1), keep_under=int(1.7 * size) + 4_000_000 if is_limited else None)
    assert (done.n_measured, done.n_failed) == (1, 1)
    assert isinstance(done.first, IntegrityError)
    assert (store.folder / "partial").exists() is not is_limited
