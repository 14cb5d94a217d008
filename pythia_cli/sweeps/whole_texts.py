"""Perplexity, as a sweep takes it: of a whole file, or of each item of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pythia_cli.errors import InvalidValue
from pythia_cli.files.reading import read_bytes
from pythia_cli.library.model import Model
from pythia_cli.measures.perplexity import score_perplexity
from pythia_cli.measures.perplexity_items import (
    PERPLEXITY_COLUMNS,
    PerplexityTotals,
    perplexity_measure,
)
from pythia_cli.measures.protocols import Protocol, ProtocolName
from pythia_cli.reporting import Reporter
from pythia_cli.sweeps.figures import Figure, figures_of
from pythia_cli.sweeps.item_measures import ItemMeasure, ItemPlan
from pythia_cli.sweeps.windows import checked_window
from pythia_cli.tables.items import open_items
from pythia_cli.text.decode import decode_text

_FIGURES = (
    "perplexity",
    "bits_per_byte",
    "mean_nll",
    "accuracy",
    "byte_perplexity",
    "word_perplexity",
    "nll",
    "n_bytes",
    "n_words",
)


@dataclass(frozen=True)
class SweptPerplexity(ItemMeasure):
    """`pythia perplexity`, with its options.

    by: "file" scores a file as one text; "item" and "line" each text of it by itself, as
    `--by` does. Of a file, n is the number of its scored tokens; of items, that of the items.
    """

    name: ClassVar[str] = "perplexity"

    by: Literal["file", "item", "line"] = "file"
    protocol: ProtocolName | None = None
    context: int | None = None
    stride: int | None = None
    bos: bool | None = None
    column: str | None = None
    group: str | None = None

    def check_options(self) -> None:
        """As ItemMeasure.check_options; also for options that would do nothing."""
        n_ctx = checked_window(self.context, self.stride)
        default = "stride" if self.by == "file" else "document"
        Protocol.make(self.protocol or default, n_ctx, self.context, self.stride, self.bos)
        for name in ("column", "group", "input_format", "quotes") if self.by != "item" else ():
            if (value := getattr(self, name)) not in (None, True):
                expected = f"none, as a text is a {self.by}; it is for texts by item"
                raise InvalidValue(name, value, expected)
        if self.by != "file" and self.protocol not in (None, "document"):
            raise InvalidValue("protocol", self.protocol, f"document, as texts are by {self.by}")

    def check(self, source: str, reporter: Reporter) -> None:
        """As SweepMeasure.check."""
        if self.by != "file":
            super().check(source, reporter)
            return
        self.check_options()
        self._text(source)

    def take(self, model: Model, source: str, rows: Path, reporter: Reporter) -> list[Figure]:
        """As SweepMeasure.take. A whole file has no rows."""
        if self.by != "file":
            return super().take(model, source, rows, reporter)
        n_ctx = model.config.n_ctx
        protocol = Protocol.make(
            self.protocol or "stride", n_ctx, self.context, self.stride, self.bos
        )
        plans = protocol.plan(self._text(source), model.tokenizer, source)
        n_tokens = sum(plan.n_scored for plan in plans)
        with reporter.task(f"perplexity, {model.checkpoint}", n_tokens, "tokens") as task:
            totals = score_perplexity(
                model, plans, protocol, source, task, keep_tokens=False
            ).totals
        counted = totals.figures()
        ordered: dict[str, Any] = {name: counted[name] for name in _FIGURES}
        known = {"n": totals.n_tokens, "stderr": totals.stderr, **ordered}
        return figures_of(known, None, "perplexity")

    def plan(self, items: Any, reporter: Reporter) -> ItemPlan:
        """As ItemMeasure.plan."""
        items.check_columns(items.column, *([] if self.group is None else [self.group]))
        measure = perplexity_measure(context=self.context, stride=self.stride, bos=self.bos)
        return ItemPlan(
            items,
            measure,
            PERPLEXITY_COLUMNS,
            "nll",
            PerplexityTotals,
            "",
            group=self.group,
            left_out=[items.column],
        )

    def _open(self, source: str, reporter: Reporter) -> Any:
        if self.by == "line":
            return open_items(source, format="lines", reporter=reporter)
        return super()._open(source, reporter)

    def _text(self, source: str) -> str:
        return decode_text(read_bytes(Path(source)), source)
