"""Runs a measure of items for a command: opens the inputs, the table and each checkpoint."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pythia_cli.cli import inputs, opening
from pythia_cli.cli.errors import ExitStatus
from pythia_cli.cli.failures import Failures
from pythia_cli.cli.file_output import checked_output, refuse_reading_stdout
from pythia_cli.cli.item_choices import InputChoice, OutputChoice
from pythia_cli.cli.output import Notices
from pythia_cli.cli.streams import STANDARD_INPUT
from pythia_cli.cli.summary import RowSummary, SummaryTable
from pythia_cli.errors import PythiaError

if TYPE_CHECKING:
    from pythia_cli.checkpoints.store import Store
    from pythia_cli.library.model import Model
    from pythia_cli.tables.batch_size import Limits
    from pythia_cli.tables.grouped import FileRows, GroupedItems
    from pythia_cli.tables.items import Items
    from pythia_cli.tables.joined import JoinedItems
    from pythia_cli.tables.text_items import TextItems
    from pythia_cli.tables.token_rows import TokenRows

_MOST_PRINTED = 10  # errors of items; the others are in the table only


def open_inputs(
    files: Sequence[str],
    choice: InputChoice,
    notices: Notices,
    needed: Sequence[str] | None = None,
    open_one: Callable[..., Items | TokenRows] | None = None,
) -> Items | JoinedItems | TokenRows:
    """The items of the files of a command. Raises what `open_items` raises.

    needed: columns that the measure reads, None for the one of the text; MissingColumn without.
    open_one: opens one, in place of `open_items`.
    """
    from pythia_cli.tables.items import open_items
    from pythia_cli.tables.joined import JoinedItems

    opener: Callable[..., Items | TokenRows] = open_one or open_items
    inputs.refuse_twice(files)
    inputs.refuse_same_file(files)
    with ExitStack() as stack:
        opened: list[Items | TokenRows] = []
        for name in files:
            opened.append(_open_input(name, choice, notices, opener))
            stack.callback(opened[-1].close)
        for items in opened:
            items.check_columns(*([items.column] if needed is None else needed))
        stack.pop_all()
    return opened[0] if len(opened) == 1 else JoinedItems(opened)


def _open_input(
    name: str, choice: InputChoice, notices: Notices, opener: Callable[..., Items | TokenRows]
) -> Items | TokenRows:
    stream: Any = sys.stdin.buffer
    opened = partial(
        opener,
        stream if name == "-" else name,
        format=choice.chosen_format,
        column=choice.column,
        quotes=not choice.no_quotes,
        name=STANDARD_INPUT,
        reporter=notices,
    )
    if name != "-" and (os.path.isfile(name) or not os.path.exists(name)):
        return opened()
    with inputs.waiting_for(name, notices) as waiting:  # a pipe or a device
        return opened(arrived=waiting.arrived)


def check_columns(items: FileRows, **options: str | None) -> None:
    """Check that the columns named by these options exist; None is none.

    Of several inputs, `file` is a column too. Raises MissingColumn, with the option in its hint.
    """
    from pythia_cli.tables.joined import JoinedItems
    from pythia_cli.tables.layout import FILE
    from pythia_cli.tables.problems import MissingColumn

    for option, column in options.items():
        if column == FILE and isinstance(items, JoinedItems):
            continue
        try:
            items.check_columns(*([] if column is None else [column]))
        except MissingColumn as error:
            name = shlex.quote(next(iter(error.nearest), "NAME"))
            error.hint = f"--{option} {name}"  # type: ignore[attr-defined]
            raise


def chosen_checkpoints(
    model: str | None, steps: str | None, store: Store
) -> list[tuple[str | None, str | None]]:
    """Model and step, as `open_model` takes them, of each checkpoint. A folder has no step.

    Raises NotInstalled, UnknownName, UsageError.
    """
    from pythia_cli.checkpoints.resolve import is_local_folder, resolve
    from pythia_cli.errors import NotFound
    from pythia_cli.library.load import check_installed, checkpoints_of
    from pythia_cli.suite.step_sets import names_several

    if steps is None or not names_several(steps):
        if model is None or not is_local_folder(model, store):
            check_installed([resolve(model, steps, store)], store)
        return [(model, steps)]
    found = checkpoints_of(model, steps, store)
    if not found:
        raise NotFound(f"no checkpoint of {model or 'the active model'} is installed")
    check_installed(found, store)
    return [(one.model, str(one.step)) for one in found]


def openers_of(
    model: str | None, steps: str | None, store: Store, notices: Notices, **how: Any
) -> list[Callable[[], Model]]:
    """What opens each checkpoint. how: as for `open_model`.

    Raises NotInstalled, UnknownName, UsageError before the first is opened.
    """
    return [
        partial(opening.open_model, name, step, store, notices, **how)
        for name, step in chosen_checkpoints(model, steps, store)
    ]


def run_command(
    items: FileRows | GroupedItems | TextItems,
    openers: Sequence[Callable[[], Any]],
    measure: Callable[..., Any],
    measured: Mapping[str, type],
    output: OutputChoice,
    notices: Notices,
    *,
    identity: Mapping[str, Any],
    left_out: Collection[str] = (),
    input_columns: Mapping[str, type] | None = None,
    files: Sequence[str] = (),
    label: str = "measuring",
    summary: RowSummary | None = None,
    limits: Limits | None = None,
) -> None:
    """Measure the items with each checkpoint, and write the table.

    measured: columns of the measure. identity: the command and the options that determine the rows.
    left_out: columns of the input that are not carried. input_columns: those that there are; None:
    all of the items. files: inputs, none of which is written.
    summary: is given all rows, and printed, unless they go to stdout; without --output rows are not
    written. limits: of a batch, whose rows are written together; None: the default ones. Raises
    what `open_table` and `run_items` raise, and Exit with the status of the first item that was
    skipped.
    """
    from pythia_cli.tables.batch_size import DEFAULT_LIMITS
    from pythia_cli.tables.layout import RowLayout
    from pythia_cli.tables.read_table import read_rows
    from pythia_cli.tables.running import run_items
    from pythia_cli.tables.table import open_table

    has_file = getattr(getattr(items, "items", items), "has_file", False)
    path = output.path
    if path is not None:
        path, _ = checked_output(path, list(files))
    else:
        refuse_reading_stdout(files)
    columns = items.columns if input_columns is None else input_columns
    layout = RowLayout.of(columns, measured, left_out, has_file=has_file)
    failures = Failures(notices)
    skipped = _Skipped(failures)
    with ExitStack() as stack:
        table: Any = None
        if summary is None or output.output is not None:
            table = stack.enter_context(
                open_table(
                    path,
                    columns=layout.columns,
                    identity=identity,
                    format=output.chosen_format,
                    resume=output.resume,
                    stream=sys.stdout,
                    reporter=notices,
                )
            )
        # Rows of an earlier run are only in the file, once it is complete.
        is_resumed = table is not None and table.progress.n_items > 0
        if summary is not None and not is_resumed:
            table = SummaryTable(summary, layout, table)
        try:
            run = run_items(
                items,
                table,
                layout,
                openers,
                measure,
                skip_errors=output.skip_errors,
                failed=skipped.add,
                label=label,
                limits=limits or DEFAULT_LIMITS,
                reporter=notices,
            )
        except PythiaError as error:
            raise _with_a_way_on(error, path) from error.__cause__
    if path is not None:
        what = "nothing was left to do for" if run.n_rows == 0 else f"wrote {run.n_rows} rows to"
        notices.say(f"{what} {output.path}")
    if summary is not None and (path is not None or output.output is None):
        if path is not None and is_resumed:
            summary.begin(layout)
            summary.add_all(read_rows(path))
        summary.print(table.progress.checkpoints)
    if skipped.has_unprinted:
        why = "-o FILE" if summary is not None and output.output is None else "column error"
        notices.say(f"{skipped.n_items} items failed in all; {why} says why")
    failures.exit()
    n_earlier = sum(one.n_errors for one in table.progress.checkpoints)
    if n_earlier:
        notices.say(f"{n_earlier} rows have errors, of an earlier run; column error says why")
        raise typer.Exit(ExitStatus.USAGE)


class _Skipped:
    """Prints the errors of the first items that are skipped, not again for each checkpoint."""

    def __init__(self, failures: Failures) -> None:
        self._failures = failures
        self._printed: set[str] = set()
        self._places: set[int] = set()  # their hashes, as there may be millions
        self.has_unprinted = False

    @property
    def n_items(self) -> int:
        """How many items failed, each counted once for all checkpoints."""
        return len(self._places)

    def add(self, error: PythiaError) -> None:
        """Print an error, unless it was printed, or many were."""
        self._places.add(hash((getattr(error, "source", None), getattr(error, "line", None))))
        if str(error) in self._printed:
            return
        if len(self._printed) == _MOST_PRINTED:
            self.has_unprinted = True
            return
        self._printed.add(str(error))
        self._failures.add(error)


def _with_a_way_on(error: PythiaError, path: Path | None) -> PythiaError:
    """The error of an item, with the options that go on without it in its hint."""
    from pythia_cli.cli.hints import hint_for
    from pythia_cli.tables.problems import is_of_one_item

    if is_of_one_item(error):
        added = "--skip-errors" if path is None else "--skip-errors --resume"
        way = f"add {added} to leave it out"
        own = hint_for(error)
        error.hint = f"{own}; or {way}" if own else way  # type: ignore[attr-defined]
    return error
