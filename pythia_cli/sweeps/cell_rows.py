"""The table of rows that a cell has beside its figures."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pythia_cli.reporting import Reporter
from pythia_cli.tables.batch_size import DEFAULT_LIMITS, Limits
from pythia_cli.tables.layout import RowLayout
from pythia_cli.tables.problems import CannotResume
from pythia_cli.tables.running import Measure, run_items
from pythia_cli.tables.table import open_table


@dataclass(frozen=True)
class CellRows:
    """How the rows of a cell are made: the arguments of `run_items` and `open_table`."""

    items: Any
    measure: Measure[Any, Any]
    layout: RowLayout
    identity: Mapping[str, Any]
    label: str
    limits: Limits = DEFAULT_LIMITS

    def write(self, model: Any, path: Path, reporter: Reporter) -> None:
        """Write the rows of a model, behind those of an earlier run that was killed.

        An item that cannot be measured is the error of the whole cell.
        """
        try:
            self._write(model, path, reporter)
        except CannotResume:  # of other weights, or of an input that was changed
            for end in ("", ".partial", ".partial.json", ".meta.json"):
                path.with_name(path.name + end).unlink(missing_ok=True)
            self._write(model, path, reporter)

    def _write(self, model: Any, path: Path, reporter: Reporter) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_table(
            path,
            columns=self.layout.columns,
            identity=self.identity,
            format="tsv",
            resume=True,
            reporter=reporter,
        ) as table:
            run_items(
                self.items,
                table,
                self.layout,
                [lambda: contextlib.nullcontext(model)],
                self.measure,
                label=self.label,
                limits=self.limits,
                reporter=reporter,
            )
