"""Sweeps on Dask: a cluster of three worker processes, one of which is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pythia_cli.sweeps.dask_cluster import run_on_dask
from pythia_cli.sweeps.problems import NoCluster
from pythia_cli.sweeps.sweep import HowToRun
from pythia_cli.tables.problems import MissingExtra
from tests.sweeps.clusters import (
    N_CHECKPOINTS,
    Notes,
    Twelve,
    n_results,
    results,
    slow,
    strays,
    table_of,
    wait_until,
)

N_CELLS = 3 * N_CHECKPOINTS


def test_without_distributed(twelve: Twelve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtra) as raised:
        run_on_dask("tcp://127.0.0.1:1", twelve.planned("none"), twelve.store, HowToRun())
    assert raised.value.extra == "dask"


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "carrier-pigeon://roof"])
def test_without_a_cluster(twelve: Twelve, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("pythia_cli.sweeps.dask_cluster._CONNECT_SECONDS", 0.5)
    with pytest.raises(NoCluster, match=address):
        run_on_dask(address, twelve.planned("none"), twelve.store, HowToRun())


class Cluster:
    """A LocalCluster of three worker processes, in a process of its own."""

    CODE = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    cluster = LocalCluster(
        n_workers=3, threads_per_worker=2, processes=True, dashboard_address=None
    )
    print(cluster.scheduler_address, flush=True)
    sys.stdin.read()
    cluster.close()
"""

    def __init__(self, folder: Path) -> None:
        script = folder / "cluster.py"
        script.write_text(self.CODE)
        self._process = subprocess.Popen(
            [sys.executable, script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=folder,
        )
        assert self._process.stdout is not None
        self.address = self._process.stdout.readline().strip()

    def close(self) -> None:
        self._process.communicate(timeout=60)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    pytest.importorskip("distributed")
    made = Cluster(tmp_path_factory.mktemp("dask"))
    yield made
    made.close()


def worker_processes(cluster: Cluster) -> list[int]:
    """The processes of workers that run a task."""
    from distributed import Client

    with Client(cluster.address, set_as_default=False) as client:
        at_work = [address for address, tasks in client.processing().items() if tasks]
        return list(client.run(os.getpid, workers=at_work).values())


@slow
@pytest.mark.filterwarnings("ignore")
def test_a_killed_worker(cluster: Cluster, slow_twelve: Twelve, slow_expected: bytes) -> None:
    folder = slow_twelve.planned("dask")
    notes = Notes()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(
            run_on_dask, cluster.address, folder, slow_twelve.store, HowToRun(), notes
        )
        wait_until(lambda: n_results(folder) >= 3)
        at_work = worker_processes(cluster)
        assert len(at_work) == 3
        before = results(folder)
        os.kill(at_work[0], signal.SIGKILL)
        assert waiting.result(180) == (N_CELLS, 0, 0)
    assert notes.texts[0] == "on 3 Dask workers"
    assert table_of(folder) == slow_expected
    assert strays(folder) == []
    assert before.items() <= results(folder).items()


@slow
def test_ctrl_c_ends_the_workers(cluster: Cluster, slow_twelve: Twelve) -> None:
    folder = slow_twelve.planned("dask-interrupted")
    process = subprocess.Popen(
        [sys.executable, "-m", "pythia_cli", "sweep", folder.path, "--on",
         f"dask={cluster.address}", "--store", slow_twelve.store.folder],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    wait_until(lambda: n_results(folder) >= 2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    checkpoints = folder.read_plan().checkpoints
    wait_until(lambda: not any(map(folder.is_claimed, checkpoints)))
    assert n_results(folder) < N_CELLS
