"""`pythia download`: checkpoints from the Hugging Face Hub, verified, quantized, installed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pythia_cli import settings
from pythia_cli.cli import completing, installing, opening, options
from pythia_cli.cli.downloading import Downloading
from pythia_cli.cli.render import Notices

if TYPE_CHECKING:
    from pythia_cli.checkpoints.store import Store
    from pythia_cli.suite.checkpoint import Checkpoint

_MODEL = "pythia-410m"


def download(
    model: Annotated[
        str | None,
        options.model_option(
            f"A Pythia model. Default: the active checkpoint's, or {_MODEL}.",
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
        typer.Option("--keep-original", help="Keep the float weights too (for --dtype float32)."),
    ] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Fetch and make anew what is installed already.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be fetched, and its size.")
    ] = False,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Use only what the Hugging Face cache holds already."),
    ] = False,
    certify: options.Certify = None,
    wait: options.Wait = options.WAIT_SECONDS,
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Download checkpoints, check every byte, quantize them to int8 and install them.

    Uses the login, mirror (HF_ENDPOINT), offline mode and cache of huggingface_hub. An installed
    checkpoint needs the network no more.

    Examples:

      pythia download

      pythia download -c 0,64,512,main

      pythia download -m pythia-70m-deduped -c 1000:10000:1000 --dry-run
    """
    from pythia_cli.errors import UsageError
    from pythia_cli.suite.checkpoint import parse_name
    from pythia_cli.suite.models import MODELS

    notices = Notices(quiet=quiet, verbose=verbose)
    where = opening.open_store(store)
    if model is None:
        active = where.active()
        model = active.model if active is not None and active.model in MODELS else _MODEL
    certifying = installing.Certifying(certify, threads)
    if folder is not None:
        if steps is None or len(steps) != 1:
            raise UsageError("--from takes one checkpoint's name", hint="add -c STEP")
        if dry_run or offline or keep_original:
            raise UsageError(
                "--dry-run, --offline and --keep-original have no place beside --from",
                hint="the folder is read where it is, and left there",
            )
        checkpoint = parse_name(f"{model}@{steps[0]}")
        installed = installing.install_named(
            folder, checkpoint, where, notices, certifying, replace=replace, wait_seconds=wait
        )
        if as_json:
            typer.echo(json.dumps({"status": "installed", **installing.record(installed)}))
        installing.say_installed(installed, notices)
        return
    settings.check_hub_endpoint()
    checkpoints = _checkpoints(model, steps or ["main"], where)
    missing = [c for c in checkpoints if replace or where.find(c) is None]
    run = Downloading(where, notices, certifying, as_json, keep_original)
    for checkpoint in checkpoints:
        if checkpoint not in missing:
            run.tell_present(where.get(checkpoint))
    if len(missing) < len(checkpoints) and (certify is not None or keep_original):
        notices.say("what is installed already is left as it is; --replace makes it anew")
    if missing:
        run.fetch(missing, offline=offline, replace=replace, wait=wait, dry_run=dry_run)
    if run.failure is not None:
        raise run.failure


def _checkpoints(model: str, steps: list[str], store: Store) -> list[Checkpoint]:
    from pythia_cli.errors import UnknownName, UsageError
    from pythia_cli.suite.checkpoint import Checkpoint
    from pythia_cli.suite.models import DEMO, MODELS, nearest_models
    from pythia_cli.suite.step_sets import parse_steps

    if model == DEMO:
        raise UsageError(
            "the demo is built in, and comes by itself", hint="pythia generate -m demo"
        )
    if model not in MODELS:
        raise UnknownName("model", model, nearest_models(model, []))
    return [Checkpoint(model, step) for step in parse_steps(model, steps)]
