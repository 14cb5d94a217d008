"""Scores of attention heads, as a sweep takes them. Kinds of heads are inputs."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from pythia_cli.library.model import Model
from pythia_cli.measures.head_items import (
    HEAD_COLUMNS,
    KIND,
    checked_kinds,
    head_measure,
    kind_items,
)
from pythia_cli.measures.heads import HeadOptions
from pythia_cli.reporting import Reporter
from pythia_cli.sweeps.cell_rows import CellRows
from pythia_cli.sweeps.figures import Figure
from pythia_cli.tables.layout import RowLayout
from pythia_cli.tables.read_table import read_rows


@dataclass(frozen=True)
class SweptHeads:
    """`pythia heads`, with its options.

    An input is a kind, such as induction. Figures: max_score and mean_score over all heads; and by
    group, a head as LAYER.HEAD, its score and attention. n is the number of sequences.
    """

    name: ClassVar[str] = "heads"
    takes_files: ClassVar[bool] = False

    sequences: int = 100
    length: int = 50
    seed: int = 0
    bos: bool = False
    exclude_bos: bool = False
    exclude_current_token: bool = False

    def check(self, source: str, reporter: Reporter) -> None:
        """As SweepMeasure.check. Raises UnknownName, InvalidValue."""
        checked_kinds([source])
        self._how.check()

    def sha256(self, source: str) -> str:
        """As SweepMeasure.sha256: of the kind."""
        return hashlib.sha256(source.encode()).hexdigest()

    def take(self, model: Model, source: str, rows: Path, reporter: Reporter) -> list[Figure]:
        """As SweepMeasure.take. Raises InvalidValue for sequences that do not fit the context."""
        self._how.check(model.config.n_ctx)
        items = kind_items([source])
        CellRows(
            items,
            head_measure(self._how),
            RowLayout.of(items.columns, HEAD_COLUMNS, [KIND]),
            {"measure": self.name, "kind": source, **asdict(self)},
            f"{self.name}, {model.checkpoint}",
        ).write(model, rows, reporter)
        found = list(read_rows(rows))
        n = self.sequences
        best: Any = max(found, key=lambda row: row["score"])
        mean = sum(row["score"] for row in found) / len(found)
        figures = [
            Figure(None, "max_score", best["score"], best["stderr"], n),
            Figure(None, "mean_score", mean, None, n),
        ]
        for row in found:
            head = f"{row['layer']}.{row['head']}"
            figures.append(Figure(head, "score", row["score"], row["stderr"], n))
            figures.append(Figure(head, "attention", row["attention"], None, n))
        return figures

    @property
    def _how(self) -> HeadOptions:
        return HeadOptions(
            self.sequences, self.length, self.seed, self.bos, self.exclude_bos,
            self.exclude_current_token,
        )  # fmt: skip
