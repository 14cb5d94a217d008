"""Runs a sweep as one array of Slurm jobs, through submitit.

DIR/slurm/            scripts, logs (JOB_TASK_0_log.err) and results of the jobs, as submitit names
DIR/slurm/submitted   the last array that was submitted
"""

from __future__ import annotations

import contextlib
import io
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import which
from typing import Any, NamedTuple

from pythia_cli.checkpoints.store import Store
from pythia_cli.files.publishing import write_aside
from pythia_cli.files.writing import writing_errors
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.sweeps.folder import SweepFolder
from pythia_cli.sweeps.problems import JobRefused, NoSlurm, WorkersEnded
from pythia_cli.sweeps.slurm_options import SlurmOptions
from pythia_cli.sweeps.sweep import HowToRun
from pythia_cli.sweeps.table import write_tables
from pythia_cli.sweeps.watching import SweepCounts, SweepWatch
from pythia_cli.sweeps.workers import SweepWorker, workers_for
from pythia_cli.tables.problems import MissingExtra

_MOST_JOBS = 20  # unless another number is asked for: clusters limit how many start
_MOST_TIMEOUTS = 100  # after which a job is not queued again
_LOOK_SECONDS = 2.0  # between looks into the folder
_ASK_SECONDS = 15.0  # between questions to Slurm
_ANSWER_SECONDS = 60.0  # how long Slurm may take


@dataclass(frozen=True)
class SlurmTask:
    """What submitit runs: a worker that starts again where it was, if its job is queued again."""

    worker: SweepWorker

    def __call__(self) -> dict[str, Any]:
        """Run the worker."""
        return self.worker()

    def checkpoint(self) -> Any:
        """What to run after a preemption or a time-out; submitit asks for it."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def run_on_slurm(
    folder: SweepFolder,
    store: Store,
    how: HowToRun,
    options: Mapping[str, object],
    reporter: Reporter = SILENT,
    *,
    detach: bool = False,
) -> SweepCounts:
    """Submit one array of jobs for what is missing of a sweep, and wait for it, unless `detach`.

    options: of SlurmOptions; array is the number of jobs. Jobs are queued again after a preemption
    or a time-out. An array of an earlier call that still runs is waited for instead, and another
    one submitted only if that leaves something. What ends the wait, as Ctrl-C, leaves the jobs.

    Raises MissingExtra without submitit, NoSlurm, InvalidValue for options, JobRefused,
    WorkersEnded if the jobs end before all is done, and NoSweep, IntegrityError, ResourceError.
    """
    chosen = SlurmOptions.of(options)
    _check_slurm()
    with SweepWatch(folder, how.retry, reporter) as watch:
        job = _submitted(folder)
        if job is not None and watch.checkpoints and _states(job):
            reporter.note(f"Slurm job {job} works on it already; to end it: scancel {job}")
            if detach:
                return watch.counts
            _wait(job, watch, reporter)
        if watch.checkpoints:
            job = _submit(folder, store, how, chosen, len(watch.checkpoints), reporter)
            if detach:
                return watch.counts
            _wait(job, watch, reporter)
            if n_left := watch.look().n_left:
                path = folder.path / "slurm"
                why = _last_words(path, job) or "see its logs there"
                raise WorkersEnded(path, f"Slurm job {job}", n_left, why)
        counts = watch.counts
    write_tables(folder)
    return counts


def _check_slurm() -> None:
    """Raises MissingExtra, NoSlurm."""
    try:
        import submitit  # noqa: F401
    except ImportError as error:
        raise MissingExtra("submitit", "a sweep on Slurm", "slurm") from error
    for command in ("sbatch", "srun", "squeue", "scancel"):
        if which(command) is None:
            raise NoSlurm(command)


def _submit(
    folder: SweepFolder,
    store: Store,
    how: HowToRun,
    options: SlurmOptions,
    n_checkpoints: int,
    reporter: Reporter,
) -> str:
    """Submit an array; returns its id. Raises JobRefused, ResourceError."""
    from submitit import SlurmExecutor

    n = options.array or min(_MOST_JOBS, n_checkpoints)
    how = replace(how, n_threads=how.n_threads or options.cpus)
    with writing_errors(folder.path):
        executor = SlurmExecutor(folder.path / "slurm", max_num_timeout=_MOST_TIMEOUTS)
        executor.update_parameters(**options.parameters)
        try:
            # On an error, submitit prints what sbatch says, beside raising it.
            with contextlib.redirect_stderr(io.StringIO()), executor.batch():
                jobs = [
                    executor.submit(SlurmTask(worker))
                    for worker in workers_for(folder, store, how, n)
                ]
        except (RuntimeError, subprocess.SubprocessError) as error:
            raise JobRefused(_line_of_sbatch(str(error))) from error
        job: str = jobs[0].job_id.partition("_")[0]
        write_aside(_file_of_id(folder), f"{job}\n".encode())
    jobs_of = "1 job" if n == 1 else f"{n} jobs"
    reporter.note(
        f"submitted Slurm job {job}: {jobs_of}, logs in {folder.path / 'slurm'};"
        f" to end it: scancel {job}"
    )
    return job


def _file_of_id(folder: SweepFolder) -> Path:
    return folder.path / "slurm" / "submitted"


def _submitted(folder: SweepFolder) -> str | None:
    """The array that was submitted last for this folder; None if there was none."""
    try:
        job = _file_of_id(folder).read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    return job if job.isdecimal() else None


def _wait(job: str, watch: SweepWatch, reporter: Reporter) -> None:
    """Wait until no cell is left, or the job is over."""
    waits_for: set[str] = set()
    asked = time.monotonic()
    try:
        while watch.look().n_left:
            time.sleep(_LOOK_SECONDS)
            if time.monotonic() - asked < _ASK_SECONDS:
                continue
            asked = time.monotonic()
            states = _states(job)
            if states is not None and not states:
                watch.look()
                return
            for reason in {one.reason for one in states or () if one.reason} - waits_for:
                reporter.note(f"Slurm job {job} waits: {reason}")
                waits_for.add(reason)
    except BaseException:
        reporter.note(
            f"Slurm job {job} goes on; the same command waits for it again; to end it:"
            f" scancel {job}"
        )
        raise
    # Those that have not begun would find nothing to do.
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        _ask("scancel", "--state=PENDING", job)


class _State(NamedTuple):
    name: str
    reason: str
    """Why it has not begun; empty if it has."""


def _states(job: str) -> set[_State] | None:
    """The states of the jobs of an array that are not over; None if Slurm does not answer."""
    try:
        answer = _ask("squeue", "--noheader", "--format=%T|%r", f"--jobs={job}")
    except (OSError, subprocess.SubprocessError):
        return None
    if answer.returncode:
        # Slurm forgets a job some minutes after its end.
        return set() if "Invalid job id" in answer.stderr else None
    found = set()
    for line in answer.stdout.split("\n"):
        name, _, reason = line.strip().partition("|")
        if name:
            is_waiting = name == "PENDING" and reason != "None"
            found.add(_State(name, reason if is_waiting else ""))
    return found


def _ask(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, capture_output=True, text=True, timeout=_ANSWER_SECONDS, check=False
    )


def _line_of_sbatch(text: str) -> str:
    """The line of a long message that says why."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [text]
    return next((line for line in lines if line.startswith("sbatch: error:")), lines[-1])


def _last_words(logs: Path, job: str) -> str | None:
    """The last line that a job of the array has logged as an error; None if there is none."""
    with contextlib.suppress(OSError):
        found = [path for path in logs.glob(f"{job}_*_log.err") if path.stat().st_size]
        newest = max(found, key=lambda path: path.stat().st_mtime, default=None)
        if newest is not None:
            return newest.read_text(errors="replace").strip().splitlines()[-1].strip()
    return None
