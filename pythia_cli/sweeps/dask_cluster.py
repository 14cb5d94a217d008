"""Runs a sweep on the workers of a Dask cluster, through dask.distributed."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pythia_cli import settings
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import PythiaError
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.sweeps.folder import SweepFolder
from pythia_cli.sweeps.problems import NoCluster, WorkersEnded
from pythia_cli.sweeps.sweep import HowToRun
from pythia_cli.sweeps.table import write_tables
from pythia_cli.sweeps.watching import SweepCounts, SweepWatch
from pythia_cli.sweeps.workers import SweepWorker, workers_for
from pythia_cli.tables.problems import MissingExtra

_CONNECT_SECONDS = 10.0
_LOOK_SECONDS = 1.0  # between looks into the folder
_END_SECONDS = 10.0  # for workers to end when all is done; those that begin later find nothing
_MOST_TASKS = 20  # for a cluster that starts its workers when there is work
_RETRIES = 3


@dataclass(frozen=True)
class DaskTask:
    """What Dask runs: a worker of the sweep. stop: the name of the event that ends it."""

    worker: SweepWorker
    stop: str

    def __call__(self) -> str | None:
        """Run the worker, with the threads of its Dask worker. Returns its error, if it has one."""
        from distributed import Event, get_worker

        event = Event(self.stop)
        how = self.worker.how
        n_threads = how.n_threads or settings.n_threads() or get_worker().state.nthreads
        how = replace(how, n_threads=n_threads, is_over=event.is_set)
        try:
            replace(self.worker, how=how)()
        except PythiaError as error:  # not all of these can be pickled
            return f"{type(error).__name__}: {error}"
        return None


def run_on_dask(
    address: str, folder: SweepFolder, store: Store, how: HowToRun, reporter: Reporter = SILENT
) -> SweepCounts:
    """Give each worker of a Dask cluster a share of what is missing of a sweep, and wait.

    address: of the scheduler, tcp://HOST:PORT. What a worker leaves that dies, the others do. If
    the wait is interrupted, workers end before their next cell.

    Raises MissingExtra without distributed, NoCluster, WorkersEnded if all workers end before all
    is done, and NoSweep, IntegrityError, ResourceError.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtra("distributed", "a sweep on Dask", "dask") from error
    with SweepWatch(folder, how.retry, reporter) as watch:
        if watch.checkpoints:
            try:
                client = Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
            except (OSError, TimeoutError, ValueError) as error:
                raise NoCluster(address, str(error).partition("\n")[0]) from error
            with client:
                reason = _run(client, folder, store, how, watch, reporter)
            if n_left := watch.look().n_left:
                workers = f"the workers of {address}"
                raise WorkersEnded(folder.path, workers, n_left, reason)
        counts = watch.counts
    write_tables(folder)
    return counts


def _run(
    client: Any,
    folder: SweepFolder,
    store: Store,
    how: HowToRun,
    watch: SweepWatch,
    reporter: Reporter,
) -> str | None:
    """Run until nothing is left or all workers have ended. Returns an error of one of them."""
    from distributed import Event

    n = len(watch.checkpoints)
    addresses = sorted(client.nthreads())[:n]
    name = f"pythia-sweep-{uuid.uuid4().hex[:12]}"
    stop = Event(name, client=client)
    workers = workers_for(folder, store, how, len(addresses) or min(n, _MOST_TASKS))
    if addresses:
        reporter.note(f"on {len(workers)} Dask workers")
    else:
        reporter.note("waiting for Dask workers; there are none yet")
    futures = [
        client.submit(
            DaskTask(worker, name),
            key=f"{name}-{i}",
            # One on each: a second in the same process would only wait.
            workers=addresses[i : i + 1] or None,
            allow_other_workers=bool(addresses),
            retries=_RETRIES,
            pure=False,
        )
        for i, worker in enumerate(workers)
    ]
    try:
        while watch.look().n_left and not _have_ended(futures):
            time.sleep(_LOOK_SECONDS)
        until = time.monotonic() + _END_SECONDS
        while not _have_ended(futures) and time.monotonic() < until:
            time.sleep(_LOOK_SECONDS / 10)
    except BaseException:
        stop.set()
        client.cancel(futures)
        raise
    return next((text for one in futures if (text := _error_of(one)) is not None), None)


def _have_ended(futures: Sequence[Any]) -> bool:
    return all(one.done() for one in futures)


def _error_of(future: Any) -> str | None:
    """What a worker failed with; None if it did not, or has not ended."""
    if future.status == "finished":
        error: str | None = future.result()
        return error
    if future.status == "error":
        return str(future.exception()).partition("\n")[0]
    return None
