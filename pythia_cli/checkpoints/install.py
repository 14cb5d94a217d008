"""The public `install`: checkpoints from the Hub or a folder into the store."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pythia_cli import settings
from pythia_cli.checkpoints.download import download
from pythia_cli.checkpoints.from_folder import Certifier, install_demo, install_folder
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.errors import UsageError
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint, parse_name, split_name
from pythia_cli.suite.models import DEMO, check_published
from pythia_cli.suite.step_sets import parse_steps, words_of


def install(
    model: str,
    steps: str | int | Iterable[int] | None = None,
    *,
    folder: str | Path | None = None,
    replace: bool = False,
    keep_original: bool = False,
    offline: bool = False,
    certifier: Certifier | None = None,
    commit: str | None = None,
    n_threads: int | None = None,
    wait_seconds: float = settings.WAIT_SECONDS,
    store: Store | str | Path | None = None,
    reporter: Reporter = SILENT,
) -> list[Installed]:
    """Download checkpoints, check every byte, quantize them to int8 and install them.

    model: a Pythia model or MODEL@STEP. steps: 3000, "main" (the default), "0,64,512",
    "1000:10000:1000", "log", "all", or a list of numbers. folder: install one checkpoint from this
    Hugging Face folder instead of the Hub; the model may then have any name. replace: install
    again what is already installed. keep_original: keep the float weights, for dtype float32.
    offline: use only files in the Hugging Face cache. certifier: measure int8 against float32
    and store the result (TextCertifier.read("book.txt")). commit: the Hub's commit of the folder.

    If a checkpoint fails, the others are still installed, and the first failure is raised at the
    end. The check of content, which `pythia download` makes, is left to you: see check_content.
    Raises UnknownName, NotOnHub, NetworkError, NotAuthorised, IntegrityError, UnsupportedModel,
    NoRoom, LockTimeout; AlreadyInstalled for a folder without `replace`.
    """
    chosen = store if isinstance(store, Store) else Store(store)
    name, step = split_name(str(model))
    if step is not None and steps is not None:
        raise UsageError(f"{model!r} names one step and {steps!r} another; name only one")
    if steps is None:
        steps = step if step is not None or folder is not None else "main"
    words = [] if steps is None else words_of(steps)
    if folder is not None:
        if len(words) > 1:
            raise UsageError("a folder holds one checkpoint; name one step")
        checkpoint = parse_name("@".join([name, *words]))
        return [
            install_folder(
                folder, checkpoint, chosen, replace=replace, commit=commit,
                certifier=certifier, n_threads=n_threads, wait_seconds=wait_seconds,
                reporter=reporter,
            )
        ]  # fmt: skip
    check_published(name)
    wanted = [Checkpoint(name, one) for one in parse_steps(name, words)]
    if name == DEMO:
        return [install_demo(checkpoint, chosen, reporter, n_threads) for checkpoint in wanted]
    outcomes = list(
        download(
            chosen, wanted, replace=replace, keep_original=keep_original, offline=offline,
            certifier=certifier, n_threads=n_threads, wait_seconds=wait_seconds, reporter=reporter,
        )
    )  # fmt: skip
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    return [outcome.installed for outcome in outcomes if outcome.installed is not None]
