"""The `pythia` command: registers subcommands, and turns failures into exit statuses."""

from __future__ import annotations

import shutil
import sys
from typing import Annotated, ClassVar

import typer

from pythia_cli import settings
from pythia_cli.cli import address_space, errors, interrupts, streams
from pythia_cli.cli.group import Commands

_NARROWEST = 20  # columns; help needs some to be laid out at all


def _narrow() -> dict[str, int]:
    """A width for help on a very narrow terminal; by default, click would use more columns."""
    columns = shutil.get_terminal_size().columns
    return {"terminal_width": max(columns - 2, _NARROWEST)} if columns < 52 else {}


_HELP = """Run EleutherAI Pythia checkpoints in int8 on a CPU.

Start here:

  pythia generate "Once upon a time"    # with a small built-in model

  pythia download                       # pythia-410m: 911 MB, 410 MB in int8

  pythia perplexity book.txt --show     # colour a text by surprisal

  pythia doctor                         # check this machine
"""


class _Subcommands(Commands):
    places: ClassVar = {
        "generate": "generate:generate",
        "perplexity": "perplexity:perplexity",
        "surprisal": "surprisal:surprisal",
        "pairs": "pairs:pairs",
        "choices": "choices:choices",
        "memorize": "memorize:memorize",
        "icl": "icl:icl",
        "heads": "heads:heads",
        "weights": "weights:weights",
        "eval": "eval:evaluate",
        "sweep": "sweep:commands",
        "activations": "activations:activations",
        "lens": "lens:lens",
        "tokenize": "tokenize:tokenize",
        "download": "download:download",
        "quantize": "quantize:quantize",
        "bench": "bench:bench",
        "doctor": "doctor:doctor",
        "checkpoint": "checkpoint:commands",
    }


app = typer.Typer(
    name="pythia",
    cls=_Subcommands,
    help=_HELP,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], **_narrow()},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from pythia_cli import release

        typer.echo(f"pythia {release.in_words()}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> None:
    """Run the command line and exit with its status."""
    failure: BaseException | None = None
    while True:
        try:
            if failure is None:
                interrupts.take()
                settings.tokenize_in_own_threads()
                settings.limit_blas()
                settings.let_waiting_threads_sleep()
                address_space.watch()
                status = run()
            else:
                status = _fail(failure)
            interrupts.leave(status)
        except BaseException as error:  # an interrupt just before or after `run`
            failure = error


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit status. Prints failures as one line on stderr."""
    streams.prepare()
    try:
        settings.check_completion()
        status = app(args=arguments, standalone_mode=False)
        sys.stdout.flush()
    except SystemExit as error:
        # Completion ends with SystemExit, and typer raises it for a closed pipe.
        if not isinstance(error.__context__, OSError):
            status = error.code if isinstance(error.code, int) else 0
            return status if interrupts.acknowledge() is None else _fail(error)
        status = _fail(error.__context__)
    except BaseException as error:
        status = _fail(error)
    return int(status or 0)


def _fail(error: BaseException) -> int:
    if (number := interrupts.acknowledge()) is not None:  # even if its exception was lost
        errors.silence_stdout()
        return 128 + number
    status = errors.report(error)
    if isinstance(error, OSError | KeyboardInterrupt | errors.Terminated):
        errors.silence_stdout()
    return status


if __name__ == "__main__":
    main()
