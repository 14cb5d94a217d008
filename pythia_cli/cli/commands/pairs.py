"""`pythia pairs`: which sentence of each minimal pair is more likely."""

from __future__ import annotations

from typing import Annotated

import typer

from pythia_cli.cli import item_choices, item_options, options
from pythia_cli.cli.output import Notices

_MEASURE = "What is measured"


def pairs(
    files: item_options.TableFiles,
    model: options.Model = None,
    steps: item_options.Steps = None,
    good: Annotated[
        str,
        typer.Option(metavar="NAME", help="Column of the acceptable sentences.",
                     rich_help_panel=item_options.INPUT),
    ] = "sentence_good",
    bad: Annotated[
        str,
        typer.Option(metavar="NAME", help="Column of the unacceptable ones.",
                     rich_help_panel=item_options.INPUT),
    ] = "sentence_bad",
    group: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Accuracy for each value of this column. Default: UID, as"
                     " in BLiMP, if there is such a column.", rich_help_panel=_MEASURE),
    ] = None,
    leading_space: Annotated[
        bool,
        typer.Option("--leading-space", help="Put a space before each sentence, as"
                     " lm-evaluation-harness does.", rich_help_panel=_MEASURE),
    ] = False,
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
    """Compare the probabilities of the two sentences of minimal pairs, and print the accuracy.

    The log-probability of a sentence is the sum over its tokens, behind <|endoftext|>.
    docs/pairs.md has the formulas.

    Examples:

      pythia pairs blimp/*.jsonl

      pythia pairs blimp/*.jsonl -m pythia-410m -c 512,1000,main -o pairs.tsv

      pythia pairs pairs.csv --good grammatical --bad ungrammatical
    """
    where = options.open_store(store)
    notices = Notices(quiet=quiet, verbose=verbose)
    out = item_choices.RowsChoice(output, format, resume=resume, skip_errors=skip_errors)
    out.check_summary(as_json)
    choice = item_choices.InputChoice(None, input_format, null, no_quotes)
    from pythia_cli.cli.item_runs import check_columns, open_inputs, openers_of, run_command
    from pythia_cli.cli.summary import Summary
    from pythia_cli.measures.pair_items import PAIR_COLUMNS, pair_measure
    from pythia_cli.measures.pairs import PairTotals
    from pythia_cli.tables.group_totals import GroupTotals
    from pythia_cli.tables.layout import FILE

    openers = openers_of(
        model, steps, where, notices,
        dtype=dtype, precision=precision, threads=threads, plain_text=plain_text,
    )  # fmt: skip
    with open_inputs(files, choice, notices, []) as items:
        check_columns(items, good=good, bad=bad, group=group)
        if group is None:
            group = "UID" if "UID" in items.columns else FILE if len(files) > 1 else None
        definition = {"measure": "pairs", "leading_space": leading_space}
        run_command(
            items,
            openers,
            pair_measure(good=good, bad=bad, leading_space=leading_space),
            PAIR_COLUMNS,
            out,
            notices,
            identity={**definition, "good": good, "bad": bad},
            files=files,
            label="pairs",
            summary=Summary(GroupTotals(group, PairTotals), "correct", definition, as_json=as_json),
        )
