"""`pythia perplexity --by`: the lines of texts, or the items of tables, each by itself."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.item_choices import InputChoice, RowsChoice
from pythia_cli.cli.output import Notices

if TYPE_CHECKING:
    from pythia_cli.library.model import Model

By = Literal["line", "item"]


def measure_items(
    files: Sequence[str],
    by: By,
    choice: InputChoice,
    openers: Sequence[Callable[[], Model]],
    output: RowsChoice,
    notices: Notices,
    *,
    context: int | None,
    stride: int | None,
    bos: bool | None,
    group: str | None,
    as_json: bool,
) -> None:
    """Score each item, and print the figures of all; those of each are rows of the table.

    group: a column for each of whose values there are figures too; None: the file, if there are
    several. Raises CommandError, and what `open_inputs` and `run_command` raise.
    """
    from pythia_cli.cli.item_runs import check_columns, open_inputs, run_command
    from pythia_cli.cli.summary import Summary
    from pythia_cli.measures.perplexity_items import (
        PERPLEXITY_COLUMNS,
        PerplexityTotals,
        perplexity_measure,
    )
    from pythia_cli.tables.group_totals import GroupTotals
    from pythia_cli.tables.layout import FILE

    output.check_summary(as_json)
    if by == "line":
        if choice != InputChoice():
            raise CommandError("--by line takes lines as they are", hint="--by item")
        choice = InputChoice(format="lines")
    how = {"context": context, "stride": stride, "bos": bool(bos)}
    definition = {"measure": "perplexity", "protocol": "document", **how}
    with open_inputs(files, choice, notices) as items:
        check_columns(items, group=group)
        run_command(
            items,
            openers,
            perplexity_measure(context=context, stride=stride, bos=bos),
            PERPLEXITY_COLUMNS,
            output,
            notices,
            identity={**definition, "column": items.column},
            left_out=[items.column],
            files=files,
            label="perplexity",
            summary=Summary(
                GroupTotals(group or (FILE if len(files) > 1 else None), PerplexityTotals),
                "nll",
                definition,
                as_json=as_json,
            ),
        )
