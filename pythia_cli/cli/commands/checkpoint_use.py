"""`pythia checkpoint use`: sets the active checkpoint."""

from __future__ import annotations

from typing import Annotated

import typer

from pythia_cli.cli import completing, options
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.output import Notices


def use(
    step: Annotated[
        str | None,
        typer.Argument(
            autocompletion=completing.checkpoints,
            help="A step (3000, step3000, main) or MODEL@STEP.",
        ),
    ] = None,
    model: options.OfModel = None,
    store: options.StoreFolder = None,
    quiet: options.Quiet = False,
) -> None:
    """Set the active checkpoint, which commands use if none is named.

    Examples:

      pythia checkpoint use 512

      pythia checkpoint use pythia-410m@143000
    """
    from pythia_cli.checkpoints.resolve import resolve
    from pythia_cli.suite.models import DEMO

    where = options.open_store(store)
    notices = Notices(quiet=quiet)
    # Both in one word, as an argument or with -m; or the step, and perhaps the model.
    whole = step if step is not None and "@" in step else model
    in_one_word = whole is not None and "@" in whole
    if (step is None and not in_one_word) or (in_one_word and step and model):
        raise CommandError(
            "name one step: STEP or MODEL@STEP", hint="pythia checkpoint use demo@512"
        )
    checkpoint = resolve(whole, None if in_one_word else step, where)
    if checkpoint.model == DEMO:
        from pythia_cli.checkpoints.from_folder import install_demo

        install_demo(checkpoint, where, notices)
    where.use(checkpoint)
    notices.say(f"{checkpoint} is now active")
