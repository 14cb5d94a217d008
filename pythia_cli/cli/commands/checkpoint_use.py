"""`pythia checkpoint use`: sets the active checkpoint."""

from __future__ import annotations

from typing import Annotated

import typer

from pythia_cli.cli import completing, options
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.output import Notices


def use(
    step: Annotated[
        str,
        typer.Argument(
            autocompletion=completing.checkpoints,
            help="A step (3000, step3000, main) or MODEL@STEP.",
        ),
    ],
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
    notices = Notices(quiet=quiet, verbose=False)
    named, at, of_model = step.partition("@")
    if not named or (at and (not of_model or model is not None)):
        raise CommandError(
            f"{step!r} is not one step or MODEL@STEP", hint="pythia checkpoint use demo@512"
        )
    checkpoint = resolve(step, None, where) if at else resolve(model, step, where)
    if checkpoint.model == DEMO and where.find(checkpoint) is None:
        from pythia_cli.checkpoints.from_folder import install_demo

        install_demo(checkpoint, where, notices)
    where.use(checkpoint)
    notices.say(f"{checkpoint} is now active")
