"""`pythia checkpoint verify`: checks every byte of installed checkpoints."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from pythia_cli.cli import completing, options
from pythia_cli.cli.output import Notices
from pythia_cli.errors import IntegrityError

if TYPE_CHECKING:
    from pythia_cli.checkpoints.store import Store
    from pythia_cli.suite.checkpoint import Checkpoint


def verify(
    steps: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STEPS...",
            autocompletion=completing.checkpoints,
            help="Default: all checkpoints of all models.",
        ),
    ] = None,
    model: options.OfModel = None,
    store: options.StoreFolder = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Check every byte of installed checkpoints, and name damaged tensors.

    Examples:

      pythia checkpoint verify

      pythia checkpoint verify 1000:10000 -m pythia-410m
    """
    from pythia_cli.checkpoints.resolve import choose_installed
    from pythia_cli.checkpoints.verify import verify as find_problems
    from pythia_cli.errors import NewerFormat, NotInstalled

    notices = Notices(quiet=quiet, verbose=False)
    where = options.open_store(store)
    chosen = choose_installed(steps or [], model, where)
    if not chosen:
        notices.say("no such checkpoint is installed")
    damaged, newer = [], None
    with notices.task("verifying", sum(i.n_bytes() for i in chosen), "B") as task:
        for installed in chosen:
            try:
                problems = find_problems(where, installed.checkpoint, task)
            except NotInstalled:
                notices.say(f"{installed.checkpoint} was removed in the meantime")
                continue
            except NewerFormat as error:
                newer, problems = error, [str(error)]
            else:
                if problems:
                    damaged.append(installed.checkpoint)
            with notices.aside():
                _print(installed.checkpoint, problems, as_json)
    if damaged:
        raise _Damaged(where, damaged, len(chosen))
    if newer is not None:
        raise newer


class _Damaged(IntegrityError):
    """Some checkpoints are damaged; the hint replaces or removes the first."""

    def __init__(self, store: Store, damaged: list[Checkpoint], n_all: int) -> None:
        from pythia_cli.suite.models import repository

        super().__init__(store.folder, f"{len(damaged)} of {n_all} checkpoints are damaged")
        first = damaged[0]
        self.hint = f"pythia checkpoint remove {first} --yes"
        if repository(first.model) is not None:
            self.hint = f"pythia download -m {first.model} -c {first.step} --replace"


def _print(checkpoint: Checkpoint, problems: list[str], as_json: bool) -> None:
    if not as_json:
        typer.echo(f"{checkpoint}  {'; '.join(problems) or 'ok'}")
        return
    record = {
        "model": checkpoint.model,
        "checkpoint": checkpoint.revision,
        "step": checkpoint.step,
        "ok": not problems,
        "problems": problems,
    }
    typer.echo(json.dumps(record))
