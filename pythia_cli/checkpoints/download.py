"""Installs checkpoints from the Hub: plans what to fetch, and reports the outcome of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pythia_cli import settings
from pythia_cli.checkpoints.from_folder import Certifier
from pythia_cli.checkpoints.pipeline import ITS_OWN, Outcome, Pipeline, present_outcome
from pythia_cli.checkpoints.plan import FetchPlan, plan_fetches, redirections
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import InvalidName, PythiaError
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.models import DEMO, check_published
from pythia_cli.suite.steps import parse_step
from pythia_cli.system import cores


def plan_download(
    store: Store,
    checkpoints: Iterable[Checkpoint],
    *,
    replace: bool = False,
    offline: bool = False,
    reporter: Reporter = SILENT,
) -> tuple[list[Outcome], list[FetchPlan]]:
    """What `download` would fetch, and the outcomes that are known without fetching.

    Raises what `download` raises before it fetches.
    """
    present, missing = _split(store, _published(checkpoints), replace)
    failed, plans = _plan(missing, offline, reporter)
    for line in redirections(plans):
        reporter.note(line)
    return [*present, *failed], plans


def download(
    store: Store,
    checkpoints: Iterable[Checkpoint],
    *,
    replace: bool = False,
    keep_original: bool = False,
    offline: bool = False,
    certifier: Certifier | None = None,
    n_threads: int | None = None,
    wait_seconds: float = settings.WAIT_SECONDS,
    reporter: Reporter = SILENT,
) -> Iterator[Outcome]:
    """Install published checkpoints from the Hub, one after the other; yields their outcomes.

    Installed checkpoints come first, and are not changed unless `replace`. keep_original: keep the
    float checkpoint in the store. offline: use only files in the Hugging Face cache. wait_seconds:
    how long to wait for another process that installs the same checkpoint. Before the transfers
    begin, the reporter gets a notice of reported problems, and of weights equal to those of
    another checkpoint.

    NotFound, IntegrityError and UnsupportedModel concern one checkpoint, and are its outcome.
    Other errors end the download. Raises UnknownName, InvalidValue, and InvalidName for the demo;
    while iterating NetworkError, NotAuthorised, NoRoom, StoreNotWritable, LockTimeout, and what
    the certifier raises.
    """
    cores.check_threads(n_threads)
    chosen = _published(checkpoints)

    def outcomes() -> Iterator[Outcome]:
        present, missing = _split(store, chosen, replace)
        yield from present
        failed, plans = _plan(missing, offline, reporter)
        yield from failed
        if plans:
            pipeline = Pipeline(
                store, replace, keep_original, certifier, n_threads, wait_seconds, reporter
            )
            yield from pipeline.run(plans)

    return outcomes()


def _published(checkpoints: Iterable[Checkpoint]) -> list[Checkpoint]:
    """Each checkpoint once. Raises InvalidName for the demo, UnknownName if not published."""
    chosen = list(dict.fromkeys(checkpoints))
    for checkpoint in chosen:
        if checkpoint.model == DEMO:
            raise InvalidName(DEMO, "is built in and needs no download")
        check_published(checkpoint.model)
        parse_step(checkpoint.model, str(checkpoint.step))
    return chosen


def _split(
    store: Store, checkpoints: list[Checkpoint], replace: bool
) -> tuple[list[Outcome], list[Checkpoint]]:
    """The outcomes of installed checkpoints that are kept, and the checkpoints to fetch."""
    present, missing = [], []
    for checkpoint in checkpoints:
        installed = store.find(checkpoint)
        if replace or installed is None:
            missing.append(checkpoint)
        else:
            present.append(present_outcome(installed))
    return present, missing


def _plan(
    checkpoints: list[Checkpoint], offline: bool, reporter: Reporter
) -> tuple[list[Outcome], list[FetchPlan]]:
    """The outcomes of checkpoints that cannot be fetched, and plans for the others."""
    failed: list[Outcome] = []
    plans: list[FetchPlan] = []
    if not checkpoints:
        return failed, plans
    found = plan_fetches(checkpoints, offline=offline, reporter=reporter)
    for checkpoint, what in found.items():
        if not isinstance(what, PythiaError):
            plans.append(what)
        elif isinstance(what, ITS_OWN):
            failed.append(Outcome(checkpoint, None, is_new=False, error=what))
        else:
            raise what
    return failed, plans
