"""Minimal pairs that are items of a table, and their accuracy by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pythia_cli.errors import PythiaError
from pythia_cli.measures.pairs import MinimalPair, PairMeter
from pythia_cli.model.open_model import OpenModel
from pythia_cli.tables.item import Item
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.measuring import measured_together, one_for_each, one_record_each
from pythia_cli.tables.running import Measure, RecordsOfItem

PAIR_COLUMNS: Mapping[str, Kind] = {
    "logprob_good": float,
    "logprob_bad": float,
    "n_tokens_good": int,
    "n_tokens_bad": int,
    "correct": float,
    "near_tie": bool,
}

GOOD, BAD = "sentence_good", "sentence_bad"
"""BLiMP's names of the two columns."""


def pair_measure(
    *, good: str = GOOD, bad: str = BAD, leading_space: bool = False
) -> Measure[OpenModel, Item]:
    """Which sentence of each item is more likely. good, bad: their columns."""

    def meter(model: OpenModel) -> PairMeter:
        return PairMeter(model, leading_space=leading_space)

    meter_of = one_for_each(meter)

    def measure(model: OpenModel, items: Sequence[Item]) -> list[RecordsOfItem | PythiaError]:
        def measure_pairs(pairs: list[MinimalPair]) -> list[RecordsOfItem | PythiaError]:
            return one_record_each(meter_of(model).measure(pairs))

        def pair_of(item: Item) -> MinimalPair:
            return MinimalPair(item.text(good), item.text(bad))

        return measured_together(items, pair_of, measure_pairs)

    return measure
