"""Workers that share a folder: each cell once, whoever starts, dies or has a store of its own."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from pythia_cli.checkpoints.store import Store
from pythia_cli.measures.certificate import TextCertifier
from pythia_cli.sweeps import workers
from pythia_cli.sweeps.folder import SweepFolder
from pythia_cli.sweeps.sweep import HowToRun, run_sweep
from pythia_cli.sweeps.watching import SweepCounts
from pythia_cli.sweeps.workers import workers_for
from tests.killing import WITHOUT_LOCKS
from tests.sweeps.clusters import (
    N_CHECKPOINTS,
    Twelve,
    n_results,
    results,
    strays,
    table_of,
    wait_until,
)

N_CELLS = 3 * N_CHECKPOINTS


def test_a_worker_can_be_pickled(twelve: Twelve, tmp_path: Path) -> None:
    how = HowToRun(certifier=TextCertifier("Call me Ishmael.", "text.txt"), n_threads=3)
    made = workers_for(SweepFolder(tmp_path / "a"), twelve.store, how, 2)
    assert pickle.loads(pickle.dumps(made)) == made
    assert [one.how.shard for one in made] == [(1, 2), (2, 2)]
    assert os.path.isabs(made[0].folder)
    assert os.path.isabs(made[0].store)


def test_a_worker_does_its_share_and_then_what_is_left(twelve: Twelve, expected: bytes) -> None:
    folder = twelve.planned("one-worker")
    last = workers_for(folder, twelve.store, HowToRun(n_threads=1), 4)[-1]
    with folder.claim(folder.read_plan().checkpoints[0]):  # type: ignore[union-attr]
        running = threading.Thread(target=last)
        running.start()
        wait_until(lambda: n_results(folder) == N_CELLS - 3)
        assert running.is_alive()  # it waits for the one that seems to be worked on
    running.join(30)
    assert n_results(folder) == N_CELLS
    assert table_of(folder) == expected


def test_what_it_returns(twelve: Twelve) -> None:
    folder = twelve.planned("counts")
    (worker,) = workers_for(folder, twelve.store, HowToRun(), 1)
    done = worker()
    assert (done["n_measured"], done["n_failed"]) == (N_CELLS, 0)
    assert worker()["n_measured"] == 0


def test_one_sweep_at_a_time_in_a_process(twelve: Twelve, monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[int] = []

    def run(*arguments: object) -> object:
        inside.append(1)
        assert len(inside) == 1
        threading.Event().wait(0.05)
        inside.pop()
        return SweepCounts(0, 0, 0)

    monkeypatch.setattr(workers, "run_sweep", run)
    made = workers_for(twelve.planned("threads"), twelve.store, HowToRun(), 4)
    running = [threading.Thread(target=one) for one in made]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    assert inside == []


def test_only_its_own_failures_are_tried_again(
    twelve: Twelve, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, bool]] = []

    def run(folder: object, store: object, how: HowToRun, *more: object) -> object:
        asked.append((how.shard, how.retry))
        return SweepCounts(0, 0, 0)

    monkeypatch.setattr(workers, "run_sweep", run)
    workers_for(twelve.planned("retry"), twelve.store, HowToRun(retry=True), 2)[0]()
    assert asked == [((1, 2), True), (None, False)]


def test_a_sweep_can_be_stopped_between_cells(twelve: Twelve) -> None:
    folder = twelve.planned("stopped")
    run_sweep(folder, twelve.store, HowToRun(is_over=lambda: n_results(folder) >= 4))
    assert n_results(folder) == 4


def started(
    folder: SweepFolder,
    store: Store,
    *more: str,
    before: tuple[str, ...] = (),
    env: dict[str, str] | None = None,
) -> subprocess.Popen[str]:
    """`pythia sweep` in a process of its own."""
    return subprocess.Popen(
        [*before, sys.executable, "-m", "pythia_cli", "sweep", str(folder.path), "-t", "1",
         "--store", str(store.folder), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(env or {})},
    )  # fmt: skip


def finish(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err


def test_two_sweeps_in_one_folder_do_each_cell_once(twelve: Twelve, expected: bytes) -> None:
    folder = twelve.planned("two-at-once")
    counted = f"import sys; sys.argv[0] = 'pythia'\n{COUNTING}"
    counts = folder.path / "published"
    both = [
        subprocess.Popen(
            [sys.executable, "-c", counted, str(counts), "sweep", str(folder.path), "-t", "1",
             "--store", str(twelve.store.folder)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]  # fmt: skip
    finish(*both)
    assert table_of(folder) == expected
    assert strays(folder) == []
    published = counts.read_text().split("\n")[:-1]
    assert len(published) == len({line.split()[1] for line in published}) == N_CELLS
    assert {line.split()[0] for line in published} == {str(one.pid) for one in both}


@pytest.mark.parametrize("locks", ["ignored", "ENOSYS"])
def test_where_files_cannot_be_locked_work_is_done_twice(
    twelve: Twelve, expected: bytes, tmp_path: Path, locks: str
) -> None:
    """And nothing is lost or wrong."""
    folder = twelve.planned(f"locks-{locks}")
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_LOCKS[locks])  # Python runs it as it starts
    path = os.pathsep.join([str(tmp_path), *sys.path])
    both = [started(folder, twelve.store, env={"PYTHONPATH": path}) for _ in range(2)]
    for process in both:
        _, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        assert "files cannot be locked here" in err
    assert table_of(folder) == expected
    assert strays(folder) == []


COUNTING = """
import os
from pythia_cli.sweeps.folder import SweepFolder
counts = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
publish = SweepFolder.publish
def counted(self, cell, result):
    publish(self, cell, result)
    os.write(counts, f"{os.getpid()} {cell.checkpoint}/{cell.name}\\n".encode())
SweepFolder.publish = counted
from pythia_cli.cli.app import run
sys.exit(run(sys.argv[1:]))
"""
"""Runs the command, and writes each cell that it publishes, after its process, to a file."""


def test_what_a_killed_worker_leaves_is_done_by_the_other(twelve: Twelve, expected: bytes) -> None:
    folder = twelve.planned("killed")
    made = workers_for(folder, twelve.store, HowToRun(n_threads=1), 2)
    code = "import pickle, sys; pickle.loads(bytes.fromhex(sys.argv[1]))()"
    first, second = (
        subprocess.Popen([sys.executable, "-c", code, pickle.dumps(one).hex()]) for one in made
    )
    wait_until(lambda: n_results(folder) >= 2)
    before = results(folder)
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert second.wait(120) == 0
    assert table_of(folder) == expected
    assert strays(folder) == []
    assert before.items() <= results(folder).items()


@pytest.fixture
def hosts() -> Iterator[list[tuple[str, ...]]]:
    """Of each of two hosts, what to put before a command to run it there."""
    names = [f"pythia-{uuid.uuid4().hex[:8]}" for _ in range(2)]
    made = []
    try:
        for name in names:
            done = subprocess.run(
                ["ip", "netns", "add", name], capture_output=True, text=True, check=False
            )
            if done.returncode:
                pytest.skip(f"no network namespace can be made: {done.stderr.strip()}")
            made.append(name)
        # With a name of its own too, as unshare --uts gives it.
        named = 'hostname "$0" && exec "$@"'
        found = [
            ("ip", "netns", "exec", name, "unshare", "--uts", "sh", "-c", named, name)
            for name in names
        ]
        done = subprocess.run([*found[0], "true"], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"nothing runs in a network namespace: {done.stderr.strip()}")
        yield found
    except FileNotFoundError as error:
        pytest.skip(f"no network namespace can be made: there is no {error.filename}")
    finally:
        for name in made:
            subprocess.run(["ip", "netns", "delete", name], check=False)


@pytest.mark.parametrize("stores", ["shared", "own"])
def test_two_hosts_with_a_shard_each(
    twelve: Twelve, expected: bytes, hosts: list[tuple[str, ...]], stores: str, tmp_path: Path
) -> None:
    """Two network namespaces, which share nothing but files, as two hosts."""
    folder = twelve.planned(f"hosts-{stores}")
    running = []
    for i, host in enumerate(hosts):
        store = twelve.store
        if stores == "own":
            store = Store(tmp_path / f"store{i}")
            shutil.copytree(twelve.store.folder, store.folder)
        shard = ("--shard", f"{i + 1}/2", "--offline")
        running.append(started(folder, store, *shard, before=host))
    finish(*running)
    assert n_results(folder) == N_CELLS
    assert strays(folder) == []
    assert table_of(folder) == expected
