"""Perplexity of texts that are items of a table, each by itself, and of all of them together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pythia_cli.engine.scorer import total_plans
from pythia_cli.engine.text_plan import TextPlan, stride_plan
from pythia_cli.engine.totals import Totals
from pythia_cli.errors import PythiaError, TextTooShort
from pythia_cli.measures.protocols import Protocol
from pythia_cli.model.open_model import OpenModel
from pythia_cli.reporting import NO_TASK
from pythia_cli.tables.item import Item
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.measuring import measured_together, one_for_each
from pythia_cli.tables.running import Measure, RecordsOfItem

PERPLEXITY_COLUMNS: Mapping[str, Kind] = {
    "nll": float,
    "mean_nll": float,
    "n_tokens": int,
    "n_bytes": int,
    "n_words": int,
    "perplexity": float,
    "bits_per_byte": float,
    "accuracy": float,
}


def perplexity_measure(
    *, context: int | None = None, stride: int | None = None, bos: bool | None = None
) -> Measure[OpenModel, Item]:
    """The figures of each item's text, which is scored as a line of the `document` protocol.

    context, stride, bos: as for `perplexity`; InvalidValue for those that the model cannot have. A
    text that is blank, or has no token to score (TextTooShort), is the error of its item.
    """

    def protocol(model: OpenModel) -> Protocol:
        return Protocol.make("document", model.config.n_ctx, context, stride, bos)

    protocol_of = one_for_each(protocol)

    def measure(model: OpenModel, items: Sequence[Item]) -> list[RecordsOfItem | PythiaError]:
        chosen = protocol_of(model)

        def plan_of(item: Item) -> TextPlan:
            text = item.text()
            if not text.strip():
                raise item.failed("is blank: there is nothing to score")
            plan = stride_plan(text, model.tokenizer, chosen.context, chosen.stride, bos=chosen.bos)
            if not plan.n_scored:
                raise TextTooShort(item.source, plan.n_tokens, chosen.name, 2)
            return plan

        def scored(plans: list[TextPlan]) -> list[RecordsOfItem | PythiaError]:
            return [[_known(totals)] for totals in total_plans(plans, model.scorer, NO_TASK)]

        return measured_together(items, plan_of, scored)

    return measure


class PerplexityTotals:
    """The figures of many rows: over all their tokens, not the means of theirs."""

    def __init__(self) -> None:
        self._n_items = 0
        self._totals = Totals()

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row of PERPLEXITY_COLUMNS."""
        self._n_items += 1
        self._totals += Totals(
            nll=row["nll"],
            n_tokens=row["n_tokens"],
            n_bytes=row["n_bytes"],
            n_words=row["n_words"],
            n_correct=round(row["accuracy"] * row["n_tokens"]),
        )

    def figures(self) -> dict[str, Any]:
        """For JSON: n, the items; and those of PERPLEXITY_COLUMNS."""
        return {"n": self._n_items, **_known(self._totals)}


def _known(totals: Totals) -> dict[str, Any]:
    figures = totals.figures()
    return {name: figures[name] for name in PERPLEXITY_COLUMNS}
