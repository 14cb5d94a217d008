"""`pythia choices`: which of several continuations is the most likely."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from pythia_cli.cli import item_choices, item_options, options
from pythia_cli.cli.output import Notices

_MEASURE = "What is measured"
_NO_LABEL = "no item has a label, so there is no accuracy"


def choices(
    files: item_options.TableFiles,
    model: options.Model = None,
    steps: item_options.Steps = None,
    context: Annotated[
        str,
        typer.Option(metavar="NAME", help="Column of the contexts; they may be empty.",
                     rich_help_panel=item_options.INPUT),
    ] = "context",
    choice_names: Annotated[
        str,
        typer.Option("--choices", metavar="NAME", help="Column of the choices, a list of texts; or"
                     " a column for each, as a,b,c,d.", rich_help_panel=item_options.INPUT),
    ] = "choices",
    label: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Column of the right choice: its index, from 0, or its"
                     " text. Default: label, if there is such a column, in which null, empty and -1"
                     " are no label.",
                     rich_help_panel=item_options.INPUT),
    ] = None,
    group: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Accuracy for each value of this column.",
                     rich_help_panel=_MEASURE),
    ] = None,
    delimiter: Annotated[
        str,
        typer.Option(metavar="TEXT", help="Between context and choice. Default: a space.",
                     rich_help_panel=_MEASURE, show_default=False),
    ] = " ",
    input_format: item_options.InputFormat = None,
    null: item_options.Null = False,
    no_quotes: item_options.NoQuotes = False,
    output: item_options.Rows = None,
    format: item_options.Format = None,
    as_json: options.Json = False,
    resume: item_options.Resume = False,
    skip_errors: item_options.SkipErrors = False,
    dtype: options.Dtype = "int8",
    precision: options.Precision = "exact",
    plain_text: options.PlainText = False,
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:  # fmt: skip
    """Score the possible continuations of contexts, and print the accuracy.

    Boundaries between context and choice are encoded as in lm-evaluation-harness, and acc_norm
    divides by characters as it does. docs/choices.md has the formulas.

    Examples:

      pythia choices items.jsonl --context ctx --choices endings --label gold

      pythia choices items.csv --context question --choices a,b,c,d --label answer -o rows.tsv
    """
    where = options.open_store(store)
    notices = Notices(quiet=quiet, verbose=verbose)
    out = item_choices.RowsChoice(output, format, resume=resume, skip_errors=skip_errors)
    out.check_summary(as_json)
    choice = item_choices.InputChoice(None, input_format, null, no_quotes)
    from pythia_cli.cli.item_runs import check_columns, open_inputs, openers_of, run_command
    from pythia_cli.cli.summary import Summary
    from pythia_cli.measures.choice_items import CHOICE_COLUMNS, choice_measure
    from pythia_cli.measures.choices import ChoiceTotals
    from pythia_cli.tables.group_totals import GroupTotals
    from pythia_cli.tables.layout import FILE

    names = choice_names.split(",")
    openers = openers_of(
        model, steps, where, notices,
        dtype=dtype, precision=precision, threads=threads, plain_text=plain_text,
    )  # fmt: skip
    with open_inputs(files, choice, notices, []) as items:
        check_columns(
            items,
            context=context,
            label=label,
            group=group,
        )
        for name in names:
            check_columns(items, choices=name)
        if group is None and len(files) > 1:
            group = FILE
        is_named = label is not None
        if label is None and "label" in items.columns:
            label = "label"
        written = "" if out.path is not None else "; -o FILE writes the chosen ones"
        definition = {"measure": "choices", "delimiter": delimiter}
        run_command(
            items,
            openers,
            choice_measure(
                context=context,
                choices=names,
                label=label,
                delimiter=delimiter,
                may_lack_label=not is_named,
            ),
            CHOICE_COLUMNS,
            out,
            notices,
            identity={
                **definition,
                "context": context,
                "choices": names,
                "label": label,
                "may_lack_label": not is_named,
            },
            files=files,
            label="choices",
            summary=Summary(
                GroupTotals(group, ChoiceTotals),
                "acc",
                definition,
                as_json=as_json,
                none_counted=partial(notices.say, _NO_LABEL + written),
            ),
        )
