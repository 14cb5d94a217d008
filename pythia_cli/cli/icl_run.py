"""`pythia icl` of whole files, or of the items of tables."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pythia_cli.cli import inputs
from pythia_cli.cli.item_choices import InputChoice, RowsChoice
from pythia_cli.cli.output import Notices
from pythia_cli.cli.summary import Summary

if TYPE_CHECKING:
    from pythia_cli.library.model import Model
    from pythia_cli.measures.icl import InContextOptions
    from pythia_cli.tables.progress import MeasuredCheckpoint


def measure_icl(
    files: Sequence[str],
    choice: InputChoice | None,
    openers: Sequence[Callable[[], Model]],
    how: InContextOptions,
    output: RowsChoice,
    notices: Notices,
    *,
    group: str | None,
    as_json: bool,
) -> None:
    """Measure each text, and print the figures of all; those of each are rows of the table.

    choice: how items are read; None: each file is one text. group: as of `pythia icl`. Raises what
    `open_inputs` and `run_command` raise, and NoWindows.
    """
    from pythia_cli.cli.item_runs import check_columns, run_command
    from pythia_cli.measures.icl import InContextTotals
    from pythia_cli.measures.icl_items import ICL_COLUMNS, icl_measure
    from pythia_cli.reporting import SILENT
    from pythia_cli.tables.batch_size import DEFAULT_LIMITS, Limits
    from pythia_cli.tables.group_totals import GroupTotals
    from pythia_cli.tables.layout import FILE

    definition = {"measure": "icl", **vars(how)}
    group = group or (FILE if len(files) > 1 else None)
    source = inputs.name_of(files[0]) if len(files) == 1 else "texts"
    summary = IclSummary(GroupTotals(group, InContextTotals), definition, as_json=as_json)
    with _opened(files, choice, notices) as items:
        if choice is not None:
            check_columns(items, group=group)
        run_command(
            items,
            openers,
            # A file may have thousands of windows, so that each has a bar of its own.
            icl_measure(how, SILENT if choice is not None else notices),
            ICL_COLUMNS,
            output,
            notices,
            identity={**definition, "column": items.column},
            left_out=[items.column],
            files=files,
            label="in-context learning",
            summary=summary,
            limits=DEFAULT_LIMITS if choice is not None else Limits(items=1),
        )
    summary.check(source, how.late)


@contextlib.contextmanager
def _opened(files: Sequence[str], choice: InputChoice | None, notices: Notices) -> Iterator[Any]:
    """The items of files, or the files as items."""
    from pythia_cli.cli.item_runs import open_inputs
    from pythia_cli.tables.text_items import FileTexts

    if choice is not None:
        with open_inputs(files, choice, notices) as items:
            yield items
        return
    inputs.refuse_twice(files)
    inputs.refuse_same_file(files)
    yield FileTexts([(inputs.name_of(name), inputs.read_text(name, notices)) for name in files])


class IclSummary(Summary):
    """Figures over windows. Nothing is printed if there are none, which `check` raises."""

    def __init__(self, totals: Any, definition: Mapping[str, Any], *, as_json: bool) -> None:
        super().__init__(totals, "n_windows", definition, as_json=as_json)
        self._lengths: list[int] = []
        self._has_windows = False

    def add_all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """As Summary.add_all."""
        kept = list(rows)
        counted = [row for row in kept if row.get("n_windows") is not None]
        self._lengths += [row["n_tokens"] for row in counted]
        self._has_windows |= any(row["n_windows"] for row in counted)
        super().add_all(kept)

    def print(self, checkpoints: Sequence[MeasuredCheckpoint]) -> None:
        """As Summary.print."""
        if self._has_windows or not self._lengths:
            super().print(checkpoints)

    def check(self, source: str, n_needed: int) -> None:
        """Raise NoWindows, of this source, if there are texts and none has a window."""
        from pythia_cli.measures.problems import NoWindows

        if self._lengths and not self._has_windows:
            raise NoWindows(source, self._lengths, n_needed)
