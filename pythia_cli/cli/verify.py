"""`pythia checkpoint verify`: every byte of what is installed, read and hashed again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pythia_cli.cli import completing, opening, options
from pythia_cli.cli.render import Notices

if TYPE_CHECKING:
    from collections.abc import Callable

    from pythia_cli.store import Installed
    from pythia_cli.suite import Checkpoint


def verify(
    steps: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STEPS...",
            autocompletion=completing.checkpoints,
            help="Default: all checkpoints of all models.",
        ),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "-m",
            "--model",
            metavar="NAME",
            autocompletion=completing.models,
            help="Default: the active checkpoint's.",
        ),
    ] = None,
    store: options.StoreFolder = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Hash everything installed again, and name the tensors that are damaged.

    Examples:

      pythia checkpoint verify

      pythia checkpoint verify 1000:10000 -m pythia-410m
    """
    from pythia_cli.errors import IntegrityError
    from pythia_cli.suite import repository

    notices = Notices(quiet=quiet, verbose=False)
    where = opening.open_store(store)
    chosen = opening.choose_installed(steps, model, where)
    if not chosen:
        notices.say("none of these is installed")
    damaged = []
    with notices.progress("verifying", sum(i.n_bytes() for i in chosen), "B") as progress:
        for installed in chosen:
            problems = _problems(installed, progress)
            if problems:
                damaged.append(installed.checkpoint)
            with notices.aside():
                _print(installed.checkpoint, problems, as_json)
    if damaged:
        first = damaged[0]
        hint = f"pythia checkpoint remove {first} --yes"
        if repository(first.model) is not None:
            hint = f"pythia download -m {first.model} -c {first.step} --replace"
        raise IntegrityError(
            where.folder, f"{len(damaged)} of {len(chosen)} checkpoints are damaged", hint=hint
        )


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


def _problems(installed: Installed, progress: Callable[[int], None]) -> list[str]:
    from pythia_cli.errors import PythiaError
    from pythia_cli.files import file_sha256
    from pythia_cli.int8_file import Int8File

    try:
        file = Int8File(installed.weights)
        problems = [f"{name} is damaged" for name in file.damaged_tensors(progress)]
        manifest: dict[str, Any] = installed.manifest
        told = (file.source.to_dict(), file.quantization, file.tokenizer_sha256)
        if (manifest["source"], manifest["quantization"], manifest["tokenizer_sha256"]) != told:
            problems.append("its manifest is another file's")
        tokenizer = installed.tokenizer_path(file.tokenizer_sha256)
        if not tokenizer.is_file():
            problems.append(f"{tokenizer.name} (its tokenizer) is missing")
        elif file_sha256(tokenizer) != file.tokenizer_sha256:
            problems.append(f"{tokenizer.name} (its tokenizer) is damaged")
    except (PythiaError, KeyError) as error:
        return [str(error)]
    return problems
