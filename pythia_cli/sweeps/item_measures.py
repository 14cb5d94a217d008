"""Measures of items, as a sweep takes them: a table of rows, and figures of all and of groups."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pythia_cli.engine.checks import check_whole
from pythia_cli.files.reading import file_sha256
from pythia_cli.library.model import Model
from pythia_cli.measures.choice_items import CHOICE_COLUMNS, choice_measure
from pythia_cli.measures.choices import ChoiceTotals
from pythia_cli.measures.memorize import MemorizationOptions, MemorizationTotals
from pythia_cli.measures.memorize_items import MEMORIZED_COLUMNS, memorized_measure
from pythia_cli.measures.pair_items import BAD, GOOD, PAIR_COLUMNS, pair_measure
from pythia_cli.measures.pairs import PairTotals
from pythia_cli.measures.surprisal import SurprisalOptions, Unit
from pythia_cli.measures.surprisal_items import (
    surprisal_columns,
    surprisal_measure,
    surprisal_of_rows,
)
from pythia_cli.reporting import Reporter
from pythia_cli.sweeps.cell_rows import CellRows
from pythia_cli.sweeps.figures import Figure, figures_of
from pythia_cli.sweeps.surprisal_totals import SurprisalTotals
from pythia_cli.sweeps.windows import checked_window
from pythia_cli.tables.first_items import FirstItems
from pythia_cli.tables.group_totals import GroupTotals, RowTotals
from pythia_cli.tables.grouped import GroupedItems
from pythia_cli.tables.item import Item
from pythia_cli.tables.items import open_items
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.layout import RowLayout
from pythia_cli.tables.read_table import read_rows
from pythia_cli.tables.running import Measure
from pythia_cli.tables.token_rows import TOKENS, open_token_rows
from pythia_cli.text.word_starts import Correction

Input = Literal["lines", "tsv", "csv", "jsonl", "nul", "parquet"]


@dataclass(frozen=True)
class ItemPlan:
    """What is done with the items of an input.

    items: what the measure is given. columns: of its records. carried: columns of the input; None:
    all. left_out: those that rows do not have. counted_if: a column that is None in rows that do
    not count. totals: what counts them, by group. main: the figure whose standard error is
    `stderr`.
    """

    items: Any
    measure: Measure[Model, Any]
    columns: Mapping[str, Kind]
    counted_if: str
    totals: Callable[[], RowTotals]
    main: str
    group: str | None = None
    carried: Mapping[str, Kind] | None = None
    left_out: Collection[str] = ()


@dataclass(frozen=True)
class ItemMeasure:
    """The options that all measures of items share, and how they are run. See SweepMeasure."""

    name: ClassVar[str]
    takes_files: ClassVar[bool] = True

    input_format: Input | None = None
    quotes: bool = True

    @abstractmethod
    def plan(self, items: Any, reporter: Reporter) -> ItemPlan:
        """How the items of an input are measured. Raises MissingColumn, and others of its kind."""

    def check_options(self) -> None:
        """Raises InvalidValue for options that no model can have."""

    def check(self, source: str, reporter: Reporter) -> None:
        """As SweepMeasure.check."""
        self.check_options()
        with self._planned(source, reporter):
            pass

    def sha256(self, source: str) -> str:
        """As SweepMeasure.sha256."""
        return file_sha256(Path(source))

    def take(self, model: Model, source: str, rows: Path, reporter: Reporter) -> list[Figure]:
        """As SweepMeasure.take. An item that cannot be measured is the error of the whole cell."""
        with self._planned(source, reporter) as plan:
            columns = plan.items.columns if plan.carried is None else plan.carried
            layout = RowLayout.of(columns, plan.columns, plan.left_out)
            identity = {"measure": self.name, **asdict(self)}
            label = f"{self.name}, {model.checkpoint}"
            made = CellRows(plan.items, plan.measure, layout, identity, label)
            made.write(model, rows, reporter)
            totals = GroupTotals(plan.group, plan.totals)
            totals.begin(layout)
            for row in read_rows(rows):
                if row.get(plan.counted_if) is not None:
                    totals.add(row)
        found = []
        for counted in totals.figures():
            group = counted.pop("group")
            del counted["model"], counted["step"]
            found += figures_of(counted, group, plan.main)
        return found

    @contextlib.contextmanager
    def _planned(self, source: str, reporter: Reporter) -> Iterator[ItemPlan]:
        with self._open(source, reporter) as items:
            yield self.plan(items, reporter)

    def _open(self, source: str, reporter: Reporter) -> Any:
        return open_items(
            source,
            format=self.input_format,
            column=getattr(self, "column", None),
            quotes=self.quotes,
            reporter=reporter,
        )


@dataclass(frozen=True)
class SweptSurprisal(ItemMeasure):
    """`pythia surprisal`, with its options. Figures: means over the rows of the table."""

    name = "surprisal"

    by: Unit = "word"
    base: float = 2.0
    correction: Correction = "pimentel-meister"
    bos: bool = True
    context: int | None = None
    stride: int | None = None
    column: str | None = None
    group: str | None = None

    @property
    def _how(self) -> SurprisalOptions:
        return SurprisalOptions(
            self.by, self.base, self.correction, self.bos, self.context, self.stride
        )

    def check_options(self) -> None:
        """As ItemMeasure.check_options."""
        self._how.check(checked_window(self.context, self.stride))

    def plan(self, items: Any, reporter: Reporter) -> ItemPlan:
        """As ItemMeasure.plan."""
        items.check_columns(items.column)
        how = self._how
        columns = surprisal_columns(self.by, in_rows=self.group is not None)
        end = ("surprisal", SurprisalTotals, "surprisal")
        if self.group is None:
            left_out = [items.column]
            return ItemPlan(items, surprisal_measure(how), columns, *end, left_out=left_out)
        grouped = GroupedItems(items, self.group, reporter)
        carried = None if self.by == "word" else grouped.own_columns
        return ItemPlan(grouped, surprisal_of_rows(how), columns, *end, carried=carried)


@dataclass(frozen=True)
class SweptPairs(ItemMeasure):
    """`pythia pairs`, with its options."""

    name = "pairs"

    good: str = GOOD
    bad: str = BAD
    group: str | None = None
    leading_space: bool = False

    def plan(self, items: Any, reporter: Reporter) -> ItemPlan:
        """As ItemMeasure.plan."""
        items.check_columns(self.good, self.bad, *([] if self.group is None else [self.group]))
        measure = pair_measure(good=self.good, bad=self.bad, leading_space=self.leading_space)
        group = self.group or ("UID" if "UID" in items.columns else None)
        return ItemPlan(
            items, measure, PAIR_COLUMNS, "correct", PairTotals, "accuracy", group=group
        )


@dataclass(frozen=True)
class SweptChoices(ItemMeasure):
    """`pythia choices`, with its options."""

    name = "choices"

    context: str = "context"
    choices: tuple[str, ...] = ("choices",)
    label: str | None = None
    delimiter: str = " "
    group: str | None = None

    def plan(self, items: Any, reporter: Reporter) -> ItemPlan:
        """As ItemMeasure.plan. Without a label there is nothing to count: MissingColumn."""
        label = self.label or "label"
        items.check_columns(
            self.context, *self.choices, label, *([] if self.group is None else [self.group])
        )
        measure = choice_measure(
            context=self.context,
            choices=self.choices,
            label=label,
            delimiter=self.delimiter,
            may_lack_label=self.label is None,
        )
        return ItemPlan(
            items, measure, CHOICE_COLUMNS, "acc", ChoiceTotals, "acc", group=self.group
        )


@dataclass(frozen=True)
class SweptMemorization(ItemMeasure):
    """`pythia memorize`, with its options."""

    name = "memorize"

    input_format: Input | Literal["npy", "bin"] | None = None  # type: ignore[assignment]
    prompt: int = 32
    continuation: int = 32
    extractable_only: bool = False
    end_of_text: bool = False
    limit: int | None = None
    column: str | None = None
    row_length: int = 2049

    @property
    def _how(self) -> MemorizationOptions:
        return MemorizationOptions(
            self.prompt, self.continuation, self.extractable_only, self.end_of_text
        )

    def check_options(self) -> None:
        """As ItemMeasure.check_options."""
        self._how.check()
        check_whole("row_length", self.row_length, 1)
        if self.limit is not None:
            check_whole("limit", self.limit, 1)

    def _open(self, source: str, reporter: Reporter) -> Any:
        return open_token_rows(
            source,
            format=self.input_format,
            column=self.column,
            row_length=self.row_length,
            n_tokens=self._how.n_tokens,
            quotes=self.quotes,
            reporter=reporter,
        )

    def plan(self, items: Any, reporter: Reporter) -> ItemPlan:
        """As ItemMeasure.plan."""
        column = TOKENS if self.column is None and TOKENS in items.columns else items.column
        items.check_columns(column)
        taken = items if self.limit is None else FirstItems(items, self.limit)
        measure: Measure[Model, Item] = memorized_measure(self._how, column)
        return ItemPlan(
            taken,
            measure,
            MEMORIZED_COLUMNS,
            "extractable",
            MemorizationTotals,
            "score",
            left_out=[column],
        )
