"""A command that measures how many tokens texts have: the smallest measure of items there is.

`python -m tests.cli.length length ...` is `pythia` with this command.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import typer

from pythia_cli.cli import app, item_options, options
from pythia_cli.cli.item_choices import InputChoice, OutputChoice
from pythia_cli.cli.output import Notices

COMMAND = (sys.executable, "-m", "tests.cli.length", "length")


def measure(seconds: float, model: Any, items: Sequence[Any]) -> Any:
    from pythia_cli.tables.measuring import measured_together

    time.sleep(seconds)
    return measured_together(
        items,
        lambda item: model.tokenize(item.text()),
        lambda encoded: [[{"n_tokens": len(one.token_ids)}] for one in encoded],
    )


def length(
    files: item_options.Files,
    model: options.Model = None,
    checkpoint: item_options.Steps = None,
    column: item_options.Column = None,
    input_format: item_options.InputFormat = None,
    null: item_options.Null = False,
    no_quotes: item_options.NoQuotes = False,
    output: item_options.Output = None,
    format: item_options.Format = None,
    resume: item_options.Resume = False,
    skip_errors: item_options.SkipErrors = False,
    seconds: Annotated[float, typer.Option(help="Sleep so long for each batch.")] = 0,
    store: options.StoreFolder = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Count the tokens of texts."""
    from pythia_cli.cli.item_runs import open_inputs, openers_of, run_command

    notices = Notices(quiet=quiet, verbose=verbose)
    read = InputChoice(column, input_format, null, no_quotes)
    written = OutputChoice(output, format, as_json, resume, skip_errors)
    with open_inputs(files, read, notices) as items:
        run_command(
            items,
            openers_of(model, checkpoint, options.open_store(store), notices),
            partial(measure, seconds),
            {"n_tokens": int},
            written,
            notices,
            identity={"command": "length"},
            left_out=[items.column],
            files=files,
        )


def register() -> None:
    """Make it a command of `pythia`, of the module as it is now: a test loads it again."""
    app._Subcommands.places["length"] = "length:length"
    sys.modules["pythia_cli.cli.commands.length"] = sys.modules[__name__]


if __name__ == "__main__":
    register()
    app.main()
