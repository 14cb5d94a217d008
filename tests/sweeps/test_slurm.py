"""Sweeps on Slurm: what is submitted; and a real Slurm of one node, whose jobs are killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.sweeps import slurm
from pythia_cli.sweeps.folder import SweepFolder
from pythia_cli.sweeps.problems import JobRefused, NoSlurm, WorkersEnded
from pythia_cli.sweeps.slurm import run_on_slurm
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

HERE = Path(__file__).parent
N_CELLS = 3 * N_CHECKPOINTS


def test_without_submitit(twelve: Twelve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(MissingExtra) as raised:
        run_on_slurm(twelve.planned("none"), twelve.store, HowToRun(), {})
    assert raised.value.extra == "slurm"


def test_without_slurm(twelve: Twelve, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoSlurm, match="sbatch"):
        run_on_slurm(twelve.planned("none"), twelve.store, HowToRun(), {})


@pytest.fixture(scope="module")
def real_slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Slurm of one node on this machine."""
    pytest.importorskip("submitit")
    missing = [name for name in ("slurmctld", "slurmd", "munged") if shutil.which(name) is None]
    if missing or os.getuid() != 0:
        pytest.skip(f"needs Debian's slurm-wlm and munge, and root; missing: {missing}")
    folder = tmp_path_factory.mktemp("slurm")
    done = subprocess.run(
        [HERE / "slurm_here.sh", folder], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"Slurm does not start: {done.stderr.strip()}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", done.stdout.strip())
        patch.setattr(slurm, "_LOOK_SECONDS", 0.2)
        patch.setattr(slurm, "_ASK_SECONDS", 1.0)
        yield
        subprocess.run(["scancel", "--user=root"], check=False)
        wait_until(lambda: not listed())
    subprocess.run([HERE / "slurm_here.sh", folder, "stop"], check=True)


def listed(job: str | None = None) -> list[str]:
    """The jobs in the queue, each as ID_TASK."""
    command = ["squeue", "--noheader", "--array", "--format=%i"]
    done = subprocess.run(
        [*command, *([f"--jobs={job}"] if job else [])], capture_output=True, text=True, check=False
    )
    return done.stdout.split()


class Waiting(threading.Thread):
    """`run_on_slurm` in a thread."""

    def __init__(self, folder: SweepFolder, twelve: Twelve, **options: object) -> None:
        super().__init__()
        self._given = (folder, twelve.store, HowToRun(), {"time": 30, "cpus": 1, **options})
        self.notes = Notes()
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.counts = run_on_slurm(*self._given, self.notes)  # type: ignore[arg-type]
        except BaseException as error:
            self.error = error

    def job(self) -> str:
        wait_until(lambda: self.notes.texts or self.error)
        assert self.error is None, self.error
        return self.notes.having("submitted Slurm job").split()[3].rstrip(":")


def process_of(job: str, task: int) -> int | None:
    """The process that Python runs in for a job of an array."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            command = (entry / "cmdline").read_bytes().split(b"\0")
            environment = (entry / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        is_ours = f"SLURM_ARRAY_JOB_ID={job}".encode() in environment
        is_task = f"SLURM_ARRAY_TASK_ID={task}".encode() in environment
        if is_ours and is_task and b"submitit.core._submit" in command and b"srun" not in command:
            return int(entry.name)
    return None


@slow
def test_killed_requeued_cancelled_and_submitted_again(
    real_slurm: None, slow_twelve: Twelve, slow_expected: bytes
) -> None:
    folder = slow_twelve.planned("disturbed")
    first = Waiting(folder, slow_twelve, array=4)
    job = first.job()
    wait_until(lambda: n_results(folder) >= 3)
    victim = process_of(job, 0)
    assert victim is not None
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: f"{job}_0" not in listed(job))
    subprocess.run(["scontrol", "requeue", f"{job}_1"], check=True)
    before = n_results(folder)
    wait_until(lambda: n_results(folder) >= before + 3)
    kept = results(folder)
    assert n_results(folder) < N_CELLS, "the cells are too quick to be disturbed"
    subprocess.run(["scancel", job], check=True)
    first.join(60)
    assert isinstance(first.error, WorkersEnded), first.error
    assert first.error.n_left == N_CELLS - n_results(folder)
    assert str(folder.path / "slurm") in str(first.error)

    second = Waiting(folder, slow_twelve, array=2)
    assert second.job() != job
    second.join(180)
    assert second.error is None
    assert second.counts.n_left == 0
    assert table_of(folder) == slow_expected
    assert strays(folder) == []
    assert kept.items() <= results(folder).items()


@slow
def test_what_a_killed_job_leaves_is_done_by_the_others(
    real_slurm: None, slow_twelve: Twelve, slow_expected: bytes
) -> None:
    folder = slow_twelve.planned("one-killed")
    waiting = Waiting(folder, slow_twelve, array=3)
    job = waiting.job()
    wait_until(lambda: n_results(folder) >= 2)
    os.kill(process_of(job, 0) or 0, signal.SIGKILL)
    requeued = process_of(job, 1)
    subprocess.run(["scontrol", "requeue", f"{job}_1"], check=True)
    waiting.join(180)
    assert waiting.error is None
    assert waiting.counts == (N_CELLS, 0, 0)
    assert table_of(folder) == slow_expected
    assert process_of(job, 1) != requeued


@slow
def test_a_job_whose_time_is_over_is_queued_again(
    real_slurm: None, slow_twelve: Twelve, slow_expected: bytes
) -> None:
    """Slurm warns with SIGUSR2; `scancel --signal` sends the same."""
    folder = slow_twelve.planned("time-out")
    waiting = Waiting(folder, slow_twelve, array=2)
    job = waiting.job()
    wait_until(lambda: n_results(folder) >= 2)
    before = process_of(job, 0)
    subprocess.run(["scancel", "--signal=USR2", f"{job}_0"], check=True)
    wait_until(lambda: process_of(job, 0) != before)
    waiting.join(180)
    assert waiting.error is None
    assert table_of(folder) == slow_expected
    assert "Requeued job" in "".join(
        path.read_text() for path in (folder.path / "slurm").glob(f"{job}_0_*_log.*")
    )


@slow
@pytest.mark.parametrize("how", ["requeue", "warn"])
def test_the_only_job_goes_on_when_it_is_queued_again(
    real_slurm: None, slow_twelve: Twelve, slow_expected: bytes, how: str
) -> None:
    folder = slow_twelve.planned(f"queued-again-{how}")
    waiting = Waiting(folder, slow_twelve, array=1)
    job = waiting.job()
    wait_until(lambda: n_results(folder) >= 4)
    kept = results(folder)
    command = {"requeue": ["scontrol", "requeue"], "warn": ["scancel", "--signal=USR2"]}[how]
    subprocess.run([*command, job], check=True)
    waiting.join(240)
    assert waiting.error is None
    assert table_of(folder) == slow_expected
    assert strays(folder) == []
    assert kept.items() <= results(folder).items()


@slow
def test_an_earlier_array_is_waited_for(
    real_slurm: None, slow_twelve: Twelve, slow_expected: bytes
) -> None:
    folder = slow_twelve.planned("detached")
    notes = Notes()
    options: dict[str, Any] = {"time": 30, "cpus": 1, "array": 2}
    left = run_on_slurm(folder, slow_twelve.store, HowToRun(), options, notes, detach=True)
    assert left.n_left == N_CELLS
    again = Waiting(folder, slow_twelve, array=2)
    again.join(180)
    assert again.error is None
    assert "works on it already" in again.notes.texts[0]
    assert table_of(folder) == slow_expected
    assert run_on_slurm(folder, slow_twelve.store, HowToRun(), {}).n_left == 0


@slow
def test_ctrl_c_leaves_the_jobs(real_slurm: None, slow_twelve: Twelve) -> None:
    folder = slow_twelve.planned("interrupted")
    process = subprocess.Popen(
        [sys.executable, "-m", "pythia_cli", "sweep", folder.path, "--on", "slurm", "--slurm",
         "time=30,cpus=1", "--slurm", "array=1", "--store", slow_twelve.store.folder],
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert process.stderr is not None
    line = process.stderr.readline()
    job = line.split()[3].rstrip(":")
    assert line.endswith(f"to end it: scancel {job}\n")
    wait_until(lambda: n_results(folder) >= 1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert f"Slurm job {job} goes on" in err
    assert listed(job) != []
    subprocess.run(["scancel", job], check=True)
    wait_until(lambda: listed(job) == [])


@slow
def test_a_job_that_slurm_refuses(
    real_slurm: None, slow_twelve: Twelve, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(JobRefused, match="invalid partition"):
        run_on_slurm(
            slow_twelve.planned("refused"), slow_twelve.store, HowToRun(), {"partition": "gpu"}
        )
    assert capsys.readouterr() == ("", "")


@slow
def test_jobs_that_cannot_begin(real_slurm: None, slow_twelve: Twelve) -> None:
    """The reason is the last line that one of them logged."""
    folder = slow_twelve.planned("broken")
    options = {"time": 5, "array": 2, "setup": "echo no such module >&2; exit 1"}
    with pytest.raises(WorkersEnded, match=r"36 cells were done \(no such module\)"):
        run_on_slurm(folder, slow_twelve.store, HowToRun(), options)
