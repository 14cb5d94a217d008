"""A command that measures how many tokens texts have: the smallest measure of items there is.

`python -m tests.cli.length length ...` is `pythia` with this command.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from pythia_cli.cli import item_options, options
from pythia_cli.cli.app import _Subcommands, main
from pythia_cli.cli.item_options import InputChoice, OutputChoice
from pythia_cli.cli.output import Notices

COMMAND = (sys.executable, "-m", "tests.cli.length", "length")


def measure(model: Any, items: Sequence[Any]) -> Any:
    from pythia_cli.tables.measuring import measured_together

    return measured_together(
        items,
        lambda item: item.text(),
        lambda texts: [[{"n_tokens": len(model.tokenize(text).token_ids)}] for text in texts],
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
            measure,
            {"n_tokens": int},
            written,
            notices,
            identity={"command": "length"},
            left_out=[items.column],
            files=files,
        )


if __name__ == "__main__":
    import pythia_cli.cli.commands

    pythia_cli.cli.commands.length = sys.modules["__main__"]  # type: ignore[attr-defined]
    sys.modules["pythia_cli.cli.commands.length"] = sys.modules["__main__"]
    _Subcommands.places["length"] = "length:length"
    main()
