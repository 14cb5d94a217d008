"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pythia_cli.cli import completing, inputs
from pythia_cli.cli.grouped import CHECKPOINT, OUTPUT
from pythia_cli.cli.output import Notices

if TYPE_CHECKING:
    from pythia_cli.checkpoints.store import Store
    from pythia_cli.measures.certificate import TextCertifier


def model_option(help: str, offered: Callable[..., Any] = completing.models) -> Any:
    """The option -m with this help. offered: completes its value."""
    return typer.Option(
        "-m",
        "--model",
        metavar="NAME",
        autocompletion=offered,
        rich_help_panel=CHECKPOINT,
        help=help,
    )


Model = Annotated[
    str | None,
    model_option(
        "A Pythia model (pythia-410m, EleutherAI/pythia-70m-deduped, ...), MODEL@STEP, demo, a name"
        " given to quantize --as, or a local folder. Default: the active model."
    ),
]
OfModel = Annotated[str | None, model_option("Default: the active model.")]
Step = Annotated[
    str | None,
    typer.Option(
        "-c",
        "--checkpoint",
        metavar="STEP",
        autocompletion=completing.steps,
        rich_help_panel=CHECKPOINT,
        help="3000, step3000 or main (the last step).",
    ),
]
StoreFolder = Annotated[
    Path | None,
    typer.Option(
        "--store",
        metavar="DIR",
        envvar="PYTHIA_HOME",
        readable=False,  # otherwise typer checks it, and reports a usage error
        rich_help_panel=CHECKPOINT,
        help="Folder of installed checkpoints. Default: the platform's data folder.",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "-t",
        "--threads",
        metavar="N",
        min=1,
        max=1024,
        envvar="PYTHIA_THREADS",
        help="Default: the physical cores that this process may use.",
    ),
]
Dtype = Annotated[
    Literal["int8", "float32"],
    typer.Option(help="float32 runs the slow reference, and needs the float checkpoint."),
]
Precision = Annotated[
    Literal["exact", "fast"],
    typer.Option(
        help="fast: activations of 8 bits. Long texts and prompts take six tenths of"
        " the time; figures move slightly more than with 16 bits (docs/numerics.md)."
    ),
]
Certify = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Measure int8 against float32 on this text file, and store the result.",
    ),
]
Wait = Annotated[
    int,
    typer.Option(
        "--wait",
        metavar="SECONDS",
        min=0,
        help="How long to wait for another pythia process that uses the same checkpoint.",
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", rich_help_panel=OUTPUT, help="JSON on stdout, one object per line."),
]
Quiet = Annotated[
    bool,
    typer.Option("-q", "--quiet", rich_help_panel=OUTPUT, help="Only errors on stderr."),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "-v", "--verbose", rich_help_panel=OUTPUT, help="Timings and other details on stderr."
    ),
]
PlainText = Annotated[
    bool,
    typer.Option(
        "--plain-text", help="Read special tokens such as <|endoftext|> in the text as plain text."
    ),
]


def certifier(path: Path | None, notices: Notices) -> TextCertifier | None:
    """What certifies on the text of --certify; None without one. Raises what `read_text` raises."""
    if path is None:
        return None
    from pythia_cli.measures.certificate import TextCertifier

    return TextCertifier(inputs.read_text(path, notices), path.name)


def open_store(folder: Path | None) -> Store:
    """The store named with --store, or the default one. Imported here to keep --help fast."""
    from pythia_cli.checkpoints.store import Store

    return Store(folder)


def first_given(**options: object) -> str | None:
    """The first of these options that is given, as it is typed; None if none is."""
    for name, value in options.items():
        if value is not None and value is not False:
            return f"--{name.replace('_', '-')}"
    return None


def whole_numbers(name: str, text: str | None) -> list[int] | None:
    """The numbers of a list such as 0,5; None for none. Raises InvalidValue."""
    from pythia_cli.errors import InvalidValue

    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InvalidValue(name, text, "whole numbers, such as 0,5") from None
