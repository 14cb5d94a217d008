"""`pythia download`: installs checkpoints from the Hugging Face Hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pythia_cli import settings
from pythia_cli.cli import bus_errors, completing, options
from pythia_cli.cli.content import content_record
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.output import Notices, say_installed

if TYPE_CHECKING:
    from pythia_cli.checkpoints.download import Outcome
    from pythia_cli.checkpoints.plan import FetchPlan
    from pythia_cli.checkpoints.store import Store
    from pythia_cli.suite.checkpoint import Checkpoint

_MODEL = "pythia-410m"


def download(
    model: Annotated[
        str | None,
        options.model_option(
            f"A Pythia model. Default: the active model, or {_MODEL}.",
            completing.published_models,
        ),
    ] = None,
    steps: Annotated[
        list[str] | None,
        typer.Option(
            "-c",
            "--checkpoint",
            metavar="STEPS",
            autocompletion=completing.published_steps,
            help="3000, main, 0,64,512, 1000:10000:1000, log (0, 1, 2, 4 .. 512) or all;"
            " repeatable. Default: main.",
        ),
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="FOLDER",
            help="Install one checkpoint from this folder instead of the Hub.",
        ),
    ] = None,
    keep_original: Annotated[
        bool,
        typer.Option(
            "--keep-original",
            help="Keep the float weights too (for --dtype float32 and pythia weights).",
        ),
    ] = False,
    replace: Annotated[
        bool,
        typer.Option("--replace", help="Download and install again even if already installed."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only print what would be fetched, and its size.")
    ] = False,
    offline: Annotated[
        bool,
        typer.Option(
            "--offline", help="Use only files that are already in the Hugging Face cache."
        ),
    ] = False,
    certify: options.Certify = None,
    wait: options.Wait = settings.WAIT_SECONDS,
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Download checkpoints, check every byte, quantize them to int8 and install them.

    Uses the login, mirror (HF_ENDPOINT), offline mode and cache of huggingface_hub. An interrupted
    download goes on where it stopped. Once installed, checkpoints need no network.

    Examples:

      pythia download

      pythia download -c 0,64,512,main

      pythia download -m pythia-70m-deduped -c 1000:10000:1000 --dry-run
    """
    bus_errors.watch()
    notices = Notices(quiet=quiet, verbose=verbose)
    where = options.open_store(store)
    named, steps = _names(model, steps, where)
    if folder is not None and (dry_run or offline or keep_original):
        raise CommandError(
            "--dry-run, --offline and --keep-original cannot be used with --from",
            "leave them out; the folder is only read, and stays where it is",
        )
    if folder is not None and (steps is None or len(steps) != 1):
        raise CommandError("--from installs one checkpoint", "add -c STEP")
    certifier = options.certifier(certify, notices)
    if folder is not None:
        from pythia_cli.checkpoints.install import install

        (installed,) = install(
            named, (steps or [])[0], folder=folder, store=where, replace=replace,
            certifier=certifier, n_threads=threads, wait_seconds=wait, reporter=notices,
        )  # fmt: skip
        say_installed(installed, notices)
        content = content_record(installed, where, notices, threads)
        if as_json:
            record = {"status": "installed", **installed.to_dict(), "content": content}
            typer.echo(json.dumps(record))
        return

    from pythia_cli.checkpoints.download import download as fetch
    from pythia_cli.checkpoints.download import plan_download

    checkpoints = _checkpoints(named, steps or ["main"])
    results = _Results(where, notices, as_json, threads, is_one=len(checkpoints) == 1)
    if dry_run:
        outcomes, plans = plan_download(
            where, checkpoints, replace=replace, offline=offline, reporter=notices
        )
        for outcome in outcomes:
            results.show(outcome)
        results.say_failed()
        _print_plans(plans, as_json)
    else:
        explains = certify is not None or keep_original
        try:
            for outcome in fetch(
                where, checkpoints, replace=replace, keep_original=keep_original, offline=offline,
                certifier=certifier, n_threads=threads, wait_seconds=wait, reporter=notices,
            ):  # fmt: skip
                results.show(outcome)
                if explains and outcome.status == "present":
                    notices.say(
                        "installed checkpoints are not changed; --replace installs them again"
                    )
                    explains = False
        finally:
            results.say_failed()
    if results.failure is not None:
        raise results.failure


class _Results:
    """Prints outcomes as they come, failures of one kind together, and keeps the first failure."""

    def __init__(
        self,
        store: Store,
        notices: Notices,
        as_json: bool,
        n_threads: int | None,
        *,
        is_one: bool,
    ) -> None:
        self.failure: Exception | None = None
        self._store = store
        self._n_threads = n_threads
        self._notices = notices
        self._as_json = as_json
        self._is_one = is_one
        self._failed: dict[str, list[Outcome]] = {}

    def show(self, outcome: Outcome) -> None:
        """Print an outcome, and check the content of a new checkpoint.

        That is a notice, and a line on stdout with --json.
        """
        record = outcome.to_dict()
        if outcome.installed is not None:
            self.say_failed()
        if outcome.installed is None:
            self.failure = self.failure or outcome.error
            if not self._is_one:  # if there is only one, its error is printed at the end
                step = f" {outcome.checkpoint.revision}"
                reason = str(outcome.error).replace(step, "", 1)
                self._failed.setdefault(reason, []).append(outcome)
        elif outcome.is_new:
            say_installed(outcome.installed, self._notices)
            record["content"] = content_record(
                outcome.installed, self._store, self._notices, self._n_threads
            )
        else:
            self._notices.say(f"{outcome.checkpoint} is already installed")
        if self._as_json:
            with self._notices.aside():
                typer.echo(json.dumps(record))

    def say_failed(self) -> None:
        """Print a line for each reason why checkpoints failed since the last call."""
        from pythia_cli.suite.step_sets import as_ranges

        for reason, outcomes in self._failed.items():
            if len(outcomes) == 1:
                self._notices.say(f"failed: {outcomes[0].error}")
            else:
                steps = as_ranges(outcome.checkpoint.step for outcome in outcomes)
                self._notices.say(f"failed: {len(outcomes)} steps ({steps}): {reason}")
        self._failed.clear()


def _names(
    model: str | None, steps: list[str] | None, store: Store
) -> tuple[str, list[str] | None]:
    """The model and the steps named by -m and -c."""
    from pythia_cli.suite.checkpoint import split_name
    from pythia_cli.suite.models import MODELS

    if model is None:
        active = store.active()
        return active.model if active is not None and active.model in MODELS else _MODEL, steps
    named, step = split_name(model)
    if step is None:
        return named, steps
    if steps is not None:
        raise CommandError(
            f"{model} names one step, and --checkpoint others",
            f"-m {named} -c {','.join([step, *steps])}",
        )
    return named, [step]


def _checkpoints(model: str, steps: list[str]) -> list[Checkpoint]:
    """The checkpoints. Raises UnknownName, InvalidValue, and CommandError for the demo."""
    from pythia_cli.suite.checkpoint import Checkpoint
    from pythia_cli.suite.models import DEMO, check_published
    from pythia_cli.suite.step_sets import parse_steps

    if model == DEMO:
        raise CommandError("the demo is built in and needs no download", "pythia generate -m demo")
    check_published(model)
    return [Checkpoint(model, step) for step in parse_steps(model, steps)]


def _print_plans(plans: list[FetchPlan], as_json: bool) -> None:
    for plan in plans:
        if as_json:
            typer.echo(json.dumps({"status": "planned", **plan.to_dict()}))
        else:
            typer.echo(
                f"{plan.checkpoint}  {plan.n_bytes / 1e6:,.1f} MB"
                f"  {plan.revision.repo}@{plan.revision.commit[:12]}  {' '.join(plan.weights)}"
            )
    if plans and not as_json:
        total = sum(plan.n_bytes for plan in plans)
        typer.echo(f"{len(plans)} to fetch, {total / 1e6:,.1f} MB")
