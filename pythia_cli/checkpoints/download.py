"""Checkpoints from the Hub into the store: which there are to fetch, and what became of each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pythia_cli.checkpoints.from_folder import WAIT_SECONDS, Certifier
from pythia_cli.checkpoints.pipeline import ITS_OWN, Outcome, Pipeline, present_outcome
from pythia_cli.checkpoints.plan import FetchPlan, plan_fetches
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import InvalidName, PythiaError, UnknownName
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.models import DEMO, MODELS, nearest_models
from pythia_cli.suite.steps import parse_step


def plan_download(
    store: Store,
    checkpoints: Iterable[Checkpoint],
    *,
    replace: bool = False,
    offline: bool = False,
    reporter: Reporter = SILENT,
) -> tuple[list[Outcome], list[FetchPlan]]:
    """What a `download` with these arguments would fetch, and the outcomes known without that.

    Raises as `download` does before it fetches.
    """
    present, missing = _split(store, _published(checkpoints), replace)
    failed, plans = _plan(missing, offline, reporter)
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
    wait_seconds: float = WAIT_SECONDS,
    reporter: Reporter = SILENT,
) -> Iterator[Outcome]:
    """Install published checkpoints from the Hub, one after the other; yields what became of each.

    Those that are installed come first, and are left alone unless `replace`. keep_original: keep
    the float checkpoint in the store. offline: use only what the Hugging Face cache holds.
    What is reported of a branch, and weights equal to another checkpoint's, are noted before the
    transfers begin.

    An error of one checkpoint's own (NotFound, IntegrityError, UnsupportedModel) is its outcome.
    Any other ends the download: at once UnknownName, and InvalidName for the demo; while iterating
    NetworkError, NotAuthorised, NoRoom, StoreNotWritable, LockTimeout (after wait_seconds for
    another process that makes the same checkpoint), and what the certifier raises.
    """
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
    """These, each once. Raises InvalidName for the demo, UnknownName for what is not published."""
    chosen = list(dict.fromkeys(checkpoints))
    for checkpoint in chosen:
        if checkpoint.model == DEMO:
            raise InvalidName(DEMO, "is built in, and needs no download")
        if checkpoint.model not in MODELS:
            raise UnknownName("model", checkpoint.model, nearest_models(checkpoint.model, []))
        parse_step(checkpoint.model, str(checkpoint.step))
    return chosen


def _split(
    store: Store, checkpoints: list[Checkpoint], replace: bool
) -> tuple[list[Outcome], list[Checkpoint]]:
    """The outcomes of those that are installed and stay, and those to fetch."""
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
    """The outcomes of those that cannot be fetched, and plans for the others."""
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
