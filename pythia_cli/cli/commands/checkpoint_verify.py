"""`pythia checkpoint verify`: every byte of what is installed, read and hashed again."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pythia_cli.cli import completing, opening, options
from pythia_cli.cli.engine import choose_threads
from pythia_cli.cli.render import Notices

if TYPE_CHECKING:
    from collections.abc import Callable

    from pythia_cli.checkpoints.store import Installed, Store
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
    """Hash everything installed again, and name the tensors that are damaged.

    Examples:

      pythia checkpoint verify

      pythia checkpoint verify 1000:10000 -m pythia-410m
    """
    from pythia_cli.errors import IntegrityError, NewerFormat, NotInstalled
    from pythia_cli.suite.models import repository

    notices = Notices(quiet=quiet, verbose=False)
    where = opening.open_store(store)
    chosen = opening.choose_installed(steps, model, where)
    if not chosen:
        notices.say("none of these is installed")
    damaged, newer = [], None
    with notices.progress("verifying", sum(i.n_bytes() for i in chosen), "B") as progress:
        for installed in chosen:
            try:
                problems = _problems(where, installed.checkpoint, progress)
            except NotInstalled:
                notices.say(f"{installed.checkpoint} was removed meanwhile")
                continue
            except NewerFormat as error:
                newer, problems = error, [str(error)]
            else:
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
    if newer is not None:
        raise newer


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


def _problems(store: Store, checkpoint: Checkpoint, progress: Callable[[int], None]) -> list[str]:
    """What is wrong with it. Raises NotInstalled where it was removed meanwhile, NewerFormat."""
    from pythia_cli.errors import NewerFormat, NotInstalled, PythiaError

    try:
        opened = store.open(checkpoint, is_use=False)
        file, manifest = opened.file, opened.installed.manifest
        problems = [
            f"{name} is damaged" for name in file.damaged_tensors(progress, choose_threads(None))
        ]
        told = (file.source.to_dict(), file.quantization, file.tokenizer_sha256)
        if (manifest["source"], manifest["quantization"], manifest["tokenizer_sha256"]) != told:
            problems.append("its manifest is another file's")
        if opened.tokenizer is None:
            problems.append(f"{file.tokenizer_sha256}.json (its tokenizer) is missing")
        elif hashlib.sha256(opened.tokenizer).hexdigest() != file.tokenizer_sha256:
            problems.append(f"{file.tokenizer_sha256}.json (its tokenizer) is damaged")
        problems += _damage_of_original(opened.installed, file.source.files, progress)
    except (NotInstalled, NewerFormat):
        raise
    except PythiaError as error:
        return [str(error)]
    return problems


def _damage_of_original(
    installed: Installed, hashes: dict[str, str], progress: Callable[[int], None]
) -> list[str]:
    """What is wrong with the float weights that were kept in the store, if they were."""
    from pythia_cli.files.reading import file_sha256

    named = installed.manifest["source_folder"]
    if named is None or Path(named).parent != installed.folder.resolve():
        return []
    problems = []
    for name, sha256 in hashes.items():
        path = Path(named) / name
        if not path.is_file():
            problems.append(f"{name} (its original) is missing")
        elif file_sha256(path, progress) != sha256:
            problems.append(f"{name} (its original) is damaged")
    return problems
