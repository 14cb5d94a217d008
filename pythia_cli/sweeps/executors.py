"""Where a sweep runs, if not in this process."""

from __future__ import annotations

from collections.abc import Mapping

from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import InvalidValue, UsageError
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.sweeps.folder import SweepFolder
from pythia_cli.sweeps.sweep import HowToRun
from pythia_cli.sweeps.watching import SweepCounts

_DASK = "dask="


def run_on(
    on: str | None,
    folder: SweepFolder,
    store: Store,
    how: HowToRun,
    reporter: Reporter = SILENT,
    *,
    slurm: Mapping[str, object] | None = None,
    detach: bool = False,
) -> SweepCounts:
    """Do what is missing of a sweep on a cluster: "slurm", or "dask=tcp://HOST:PORT".

    Arguments and errors are those of `run_on_slurm` and `run_on_dask`. Raises InvalidValue and
    UsageError for arguments that do not go together.
    """
    if on != "slurm":
        for name, value in (("slurm", slurm), ("detach", detach)):
            if value:
                raise UsageError(f"{name} is for a sweep that runs on Slurm")
    if how.shard is not None:
        raise InvalidValue("shard", how.shard, "none: the jobs share out the checkpoints")
    if on == "slurm":
        from pythia_cli.sweeps.slurm import run_on_slurm

        return run_on_slurm(folder, store, how, slurm or {}, reporter, detach=detach)
    if on is None or not on.startswith(_DASK) or "://" not in on:
        raise InvalidValue("on", on, "slurm, or dask=tcp://HOST:PORT")
    from pythia_cli.sweeps.dask_cluster import run_on_dask

    return run_on_dask(on.removeprefix(_DASK), folder, store, how, reporter)
