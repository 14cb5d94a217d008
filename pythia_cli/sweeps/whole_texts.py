"""Measures of whole files, or of each item of one, as a sweep takes them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pythia_cli.errors import InvalidValue, PythiaError
from pythia_cli.files.reading import read_bytes
from pythia_cli.library.model import Model
from pythia_cli.measures.icl import InContextMeter, InContextOptions, InContextTotals
from pythia_cli.measures.icl_items import ICL_COLUMNS, icl_measure
from pythia_cli.measures.perplexity import score_perplexity
from pythia_cli.measures.perplexity_items import (
    PERPLEXITY_COLUMNS,
    PerplexityTotals,
    perplexity_measure,
)
from pythia_cli.measures.problems import NoWindows
from pythia_cli.measures.protocols import Protocol, ProtocolName
from pythia_cli.reporting import Reporter
from pythia_cli.sweeps.figures import Figure, figures_of
from pythia_cli.sweeps.item_measures import ItemMeasure, ItemPlan
from pythia_cli.sweeps.windows import checked_window
from pythia_cli.tables.item import Item
from pythia_cli.tables.items import open_items
from pythia_cli.tables.read_table import read_rows
from pythia_cli.tables.running import Measure
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
class TextMeasure(ItemMeasure):
    """The options of measures whose texts are files, or items of them.

    by: "file" takes a file as one text, without a table of rows; "item" and "line" each text of it
    by itself, as `--by` does.
    """

    by: Literal["file", "item", "line"] = "file"
    column: str | None = None
    group: str | None = None

    @abstractmethod
    def figures(self, model: Model, source: str, reporter: Reporter) -> list[Figure]:
        """Those of a whole file."""

    def check_options(self) -> None:
        """As ItemMeasure.check_options, for options that would do nothing."""
        for name in ("column", "group", "input_format", "quotes") if self.by != "item" else ():
            if (value := getattr(self, name)) not in (None, True):
                expected = f"none, as a text is a {self.by}; it is for texts by item"
                raise InvalidValue(name, value, expected)

    def check(self, source: str, reporter: Reporter) -> None:
        """As SweepMeasure.check."""
        if self.by != "file":
            super().check(source, reporter)
            return
        self.check_options()
        whole_text(source)

    def take(self, model: Model, source: str, rows: Path, reporter: Reporter) -> list[Figure]:
        """As SweepMeasure.take."""
        if self.by != "file":
            return super().take(model, source, rows, reporter)
        return self.figures(model, source, reporter)

    def check_items(self, items: Any) -> None:
        """Raises MissingColumn."""
        items.check_columns(items.column, *([] if self.group is None else [self.group]))

    def _open(self, source: str, reporter: Reporter) -> Any:
        if self.by == "line":
            return open_items(source, format="lines", reporter=reporter)
        return super()._open(source, reporter)


def whole_text(source: str) -> str:
    """The text of a file. Raises NotFound, NotUtf8, ResourceError."""
    return decode_text(read_bytes(Path(source)), source)


@dataclass(frozen=True)
class SweptPerplexity(TextMeasure):
    """`pythia perplexity`, with its options. Of a file, n is the number of its scored tokens."""

    name: ClassVar[str] = "perplexity"

    protocol: ProtocolName | None = None
    context: int | None = None
    stride: int | None = None
    bos: bool | None = None

    def check_options(self) -> None:
        """As ItemMeasure.check_options; also for options that would do nothing."""
        n_ctx = checked_window(self.context, self.stride)
        default = "stride" if self.by == "file" else "document"
        Protocol.make(self.protocol or default, n_ctx, self.context, self.stride, self.bos)
        super().check_options()
        if self.by != "file" and self.protocol not in (None, "document"):
            raise InvalidValue("protocol", self.protocol, f"document, as texts are by {self.by}")

    def figures(self, model: Model, source: str, reporter: Reporter) -> list[Figure]:
        """As TextMeasure.figures."""
        n_ctx = model.config.n_ctx
        protocol = Protocol.make(
            self.protocol or "stride", n_ctx, self.context, self.stride, self.bos
        )
        plans = protocol.plan(whole_text(source), model.tokenizer, source)
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
        self.check_items(items)
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


@dataclass(frozen=True)
class SweptInContext(TextMeasure):
    """`pythia icl`, with its options. n is the number of windows."""

    name: ClassVar[str] = "icl"

    early: int = 50
    late: int = 500
    bos: bool = True

    @property
    def _how(self) -> InContextOptions:
        return InContextOptions(self.early, self.late, self.bos)

    def check_options(self) -> None:
        """As ItemMeasure.check_options."""
        self._how.check()
        super().check_options()

    def figures(self, model: Model, source: str, reporter: Reporter) -> list[Figure]:
        """As TextMeasure.figures. Raises NoWindows if the text is too short."""
        text = whole_text(source)
        (record,) = InContextMeter(model, self._how).measure([text], reporter)
        if isinstance(record, PythiaError):
            raise record
        if not record["n_windows"]:
            raise NoWindows(source, [record["n_tokens"]], self.late)
        totals = InContextTotals()
        totals.add(record)
        return figures_of(totals.figures(), None, "icl")

    def take(self, model: Model, source: str, rows: Path, reporter: Reporter) -> list[Figure]:
        """As SweepMeasure.take. Raises NoWindows if no text is long enough."""
        found = super().take(model, source, rows, reporter)
        if all(one.n == 0 for one in found):
            lengths = [row["n_tokens"] for row in read_rows(rows)]
            raise NoWindows(source, lengths, self.late)
        return found

    def plan(self, items: Any, reporter: Reporter) -> ItemPlan:
        """As ItemMeasure.plan."""
        self.check_items(items)
        measure: Measure[Model, Item] = icl_measure(self._how)
        return ItemPlan(
            items,
            measure,
            ICL_COLUMNS,
            "n_windows",
            InContextTotals,
            "icl",
            group=self.group,
            left_out=[items.column],
        )
