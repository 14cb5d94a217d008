"""The public `sweep`: measures at many checkpoints, and reading what there is of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pythia_cli.checkpoints.from_folder import Certifier
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import InvalidValue, PythiaError, UsageError
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.sweeps.fetching import Fetcher
from pythia_cli.sweeps.folder import WHOLE, SweepFolder
from pythia_cli.sweeps.making import Inputs, WantedMeasure, WantedSweep, make_plan
from pythia_cli.sweeps.plan import SweepPlan
from pythia_cli.sweeps.running import CellsDone, SweepRun
from pythia_cli.sweeps.status import SweepStatus, status_of
from pythia_cli.sweeps.table import table_rows, write_tables
from pythia_cli.system import cores
from pythia_cli.tables.records import Records


def nobody(where: str, error: PythiaError) -> None:
    """Ignores a failure."""


def never() -> bool:
    """Whether to stop: no."""
    return False


@dataclass(frozen=True)
class HowToRun:
    """How this process works on a sweep; none of it changes a figure.

    keep_under: the most bytes that the store may take, downloads included: what the sweep fetched
    is removed again for that. shard: (i, n), of which i is from 1: only every n-th checkpoint.
    retry: also what failed earlier. certifier, offline, n_threads: as for `install`. failed: is
    called with each failure: where, and the error. is_over: asked before each cell whether to stop.
    """

    keep_under: int | None = None
    shard: tuple[int, int] | None = None
    retry: bool = False
    certifier: Certifier | None = None
    offline: bool = False
    n_threads: int | None = None
    failed: Callable[[str, PythiaError], None] = nobody
    is_over: Callable[[], bool] = never

    def __post_init__(self) -> None:
        """Raises InvalidValue."""
        if self.keep_under is not None and self.keep_under < 1:
            raise InvalidValue("keep_under", self.keep_under, "a number of bytes, 1 or more")
        if self.shard is not None and not 1 <= self.shard[0] <= self.shard[1]:
            raise InvalidValue("shard", self.shard, "(i, n) with i from 1 to n")
        cores.check_threads(self.n_threads)

    def share_of(self, checkpoints: Sequence[Checkpoint]) -> list[Checkpoint]:
        """The checkpoints of the shard."""
        if self.shard is None:
            return list(checkpoints)
        i, n = self.shard
        return list(checkpoints[i - 1 :: n])


class Sweep:
    """A sweep in a folder, to be read: while it runs, or when it is finished."""

    def __init__(self, folder: str | Path) -> None:
        """Raises NoSweep, and IntegrityError for a damaged plan."""
        self._folder = SweepFolder(folder)
        self.plan: SweepPlan = self._folder.read_plan()

    def __repr__(self) -> str:
        return f"Sweep({str(self.path)!r}: {self.plan.n_cells} cells)"

    @property
    def path(self) -> Path:
        """Its folder."""
        return self._folder.path

    def status(self) -> SweepStatus:
        """Which cells are done, running, failed or pending, and why some failed."""
        return status_of(self._folder)

    def table(self) -> Records:
        """The figures of all cells that are done, a row each; `to_pandas` makes a DataFrame."""
        return table_rows(self._folder)


def sweep(
    folder: str | Path,
    models: str | Sequence[str] | None = None,
    steps: str | int | Iterable[int] | None = None,
    measures: Mapping[str, Inputs] | Sequence[WantedMeasure] | None = None,
    *,
    precision: str = "exact",
    dtype: str = "int8",
    plain_text: bool = False,
    keep_under: int | None = None,
    shard: tuple[int, int] | None = None,
    retry: bool = False,
    certifier: Certifier | None = None,
    offline: bool = False,
    n_threads: int | None = None,
    store: Store | str | Path | None = None,
    failed: Callable[[str, PythiaError], None] = nobody,
    on: str | None = None,
    slurm: Mapping[str, object] | None = None,
    detach: bool = False,
    reporter: Reporter = SILENT,
) -> Sweep:
    """Take the same measures at many checkpoints. The same call goes on where an earlier one ended.

    models: names; None: the active model. steps: a set such as "log,10000:143000:10000", as for
    `checkpoints`. measures: the inputs of each, by name, as {"pairs": ["blimp/*.jsonl"]}; or
    WantedMeasure, with options. Without measures, the plan that the folder has is gone on with.
    Missing checkpoints are downloaded, each while another is measured. The other arguments are as
    for HowToRun and `load`. table.csv, and table.parquet with pyarrow, have all figures.

    on: "slurm", or "dask=tcp://HOST:PORT", to run on a cluster that shares the folder
    (docs/clusters.md). slurm: options of the jobs, as {"partition": "cpu", "time": "2:00:00",
    "cpus": 8, "array": 20}. detach: return when the jobs are submitted; of Slurm only.

    What fails is recorded, and the others go on: see `Sweep.status`. Raises NoSweep,
    NothingPlanned, UnknownName, InvalidValue, NotFound, InputError before anything is measured,
    and ResourceError if the folder cannot be written; with `on` also MissingExtra, NoCluster,
    JobRefused and WorkersEnded.

    >>> made = sweep("runs/demo", "demo", [0, 64], {"perplexity": "eval.txt"})
    >>> [round(row["value"]) for row in made.table() if row["figure"] == "perplexity"]
    [4229, 260]
    """
    chosen = store if isinstance(store, Store) else Store(store)
    how = HowToRun(keep_under, shard, retry, certifier, offline, n_threads, failed)
    found = SweepFolder(folder)
    if measures is not None:
        wanted = WantedSweep(
            [models] if isinstance(models, str) else models or [],
            steps,
            _wanted(measures),
            precision,
            dtype,
            plain_text,
        )
        found.write_plan(make_plan(wanted, chosen, reporter))
    elif (
        models is not None
        or steps is not None
        or (precision, dtype, plain_text) != ("exact", "int8", False)
    ):
        raise UsageError("models, steps or a precision without measures; name the measures too")
    if on is None and not slurm and not detach:
        run_sweep(found, chosen, how, reporter)
    else:
        from pythia_cli.sweeps.executors import run_on

        run_on(on, found, chosen, how, reporter, slurm=slurm, detach=detach)
    return Sweep(folder)


def run_sweep(
    folder: SweepFolder, store: Store, how: HowToRun, reporter: Reporter = SILENT
) -> CellsDone:
    """Do what is missing of the sweep in a folder, as far as it is this process's to do.

    Writes the table at the end. Raises NoSweep, IntegrityError, ResourceError.
    """
    plan = folder.read_plan()

    def is_done(checkpoint: Checkpoint) -> bool:
        settled = folder.finished(checkpoint) | folder.failed(checkpoint)
        return WHOLE in settled or all(cell.name in settled for cell in plan.cells_of(checkpoint))

    fetcher = Fetcher(
        store,
        folder.path,
        is_claimed=folder.is_claimed,
        is_done=is_done,
        keep_under=how.keep_under,
        keep_original=plan.needs_float_weights,
        offline=how.offline,
        certifier=how.certifier,
        n_threads=how.n_threads,
        reporter=reporter,
    )
    run = SweepRun(
        folder,
        plan,
        store,
        fetcher,
        checkpoints=how.share_of(plan.checkpoints),
        retry=how.retry,
        n_threads=how.n_threads,
        failed=how.failed,
        is_over=how.is_over,
        reporter=reporter,
    )
    done = run.run()
    write_tables(folder)
    return done


def _wanted(
    measures: Mapping[str, Inputs] | Sequence[WantedMeasure],
) -> list[WantedMeasure]:
    if not isinstance(measures, Mapping):
        return list(measures)
    return [WantedMeasure(name, inputs) for name, inputs in measures.items()]
