"""`pythia checkpoint verify`: checks every byte of installed checkpoints, or what they hold."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pythia_cli.cli import bus_errors, completing, options
from pythia_cli.cli.output import Notices
from pythia_cli.errors import IntegrityError

if TYPE_CHECKING:
    from pythia_cli.checkpoints.store import Installed, Store
    from pythia_cli.reporting import Task
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
    content: Annotated[
        bool,
        typer.Option(
            "--content",
            help="Instead, score a short text: can these be the weights of the step in the name?"
            " About a second for each.",
        ),
    ] = False,
    model: options.OfModel = None,
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Check every byte of installed checkpoints, and name damaged tensors.

    Examples:

      pythia checkpoint verify

      pythia checkpoint verify 1000:10000 -m pythia-410m

      pythia checkpoint verify --content -m pythia-410m
    """
    from pythia_cli.checkpoints.resolve import choose_installed
    from pythia_cli.errors import NewerFormat, NotInstalled

    notices = Notices(quiet=quiet)
    where = options.open_store(store)
    chosen = choose_installed(steps or [], model, where)
    if not chosen:
        notices.say("no such checkpoint is installed")
    total, unit = (len(chosen), "checkpoints") if content else (_n_bytes(chosen), "B")
    failed, newer = [], None
    with notices.task("verifying", total, unit) as task:
        for installed in chosen:
            checkpoint = installed.checkpoint
            bus_errors.watch(installed.folder)
            try:
                if content:
                    found = _content(where, checkpoint, notices, threads)
                    task.advance(1)
                else:
                    found = _bytes(where, checkpoint, task)
            except NotInstalled:
                notices.say(f"{checkpoint} was removed in the meantime")
                continue
            except NewerFormat as error:
                newer, found = error, _Finding([str(error)])
            else:
                if found.problems:
                    failed.append(checkpoint)
            with notices.aside():
                _print(checkpoint, found, as_json)
    if failed:
        raise _Failed(where, failed, len(chosen), is_content=content)
    if newer is not None:
        raise newer


@dataclass(frozen=True)
class _Finding:
    """The problems of one checkpoint; with --content also the figure, and more for JSON."""

    problems: list[str]
    nll: float | None = None
    more: dict[str, Any] = field(default_factory=dict)


def _bytes(store: Store, checkpoint: Checkpoint, task: Task) -> _Finding:
    from pythia_cli.checkpoints.verify import verify as find_problems

    return _Finding(find_problems(store, checkpoint, task))


def _content(
    store: Store, checkpoint: Checkpoint, notices: Notices, n_threads: int | None
) -> _Finding:
    from pythia_cli.measures.content import check_content

    found = check_content(store, checkpoint, n_threads=n_threads, reporter=notices)
    more = {key: value for key, value in found.to_dict().items() if key != "problem"}
    return _Finding([found.problem] if found.problem else [], found.nll, more)


def _n_bytes(chosen: list[Installed]) -> int:
    return sum(installed.n_bytes() for installed in chosen)


class _Failed(IntegrityError):
    """Some checkpoints are not what they should be; the hint is for the first."""

    def __init__(
        self, store: Store, failed: list[Checkpoint], n_all: int, *, is_content: bool
    ) -> None:
        from pythia_cli.suite.known_problems import known_problem
        from pythia_cli.suite.models import repository

        what = "do not hold what their names say" if is_content else "are damaged"
        super().__init__(store.folder, f"{len(failed)} of {n_all} checkpoints {what}")
        first = failed[0]
        reported = known_problem(first) if is_content else None
        if reported is not None:
            self.hint = f"another step; reported of {first}: {reported}"
        elif repository(first.model) is not None:
            self.hint = f"pythia download -m {first.model} -c {first.step} --replace"
        else:
            self.hint = f"pythia checkpoint remove {first} --yes"


def _print(checkpoint: Checkpoint, found: _Finding, as_json: bool) -> None:
    if not as_json:
        figure = f"{found.nll:.2f} nats a token  " if found.nll is not None else ""
        typer.echo(f"{checkpoint}  {figure}{'; '.join(found.problems) or 'ok'}")
        return
    verdict = {"ok": not found.problems, "problems": found.problems}
    typer.echo(json.dumps({**checkpoint.to_dict(), **verdict, **found.more}))
