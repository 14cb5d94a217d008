"""Memorization of rows that are items of a table."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pythia_cli.errors import PythiaError
from pythia_cli.measures.memorize import MemorizationMeter, MemorizationOptions, TokenRow
from pythia_cli.model.open_model import OpenModel
from pythia_cli.tables.item import Item
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.measuring import measured_together, one_for_each, one_record_each
from pythia_cli.tables.running import Measure, RecordsOfItem
from pythia_cli.tables.token_rows import TOKENS
from pythia_cli.tables.values import list_in, plain

MEMORIZED_COLUMNS: Mapping[str, Kind] = {
    "score": float,
    "extractable": bool,
    "first_miss": int,
    "nll": float,
    "margin": float,
    "n_near_ties": int,
}


# numpy prints arrays so, and pandas lists with missing values; as a text they would be nonsense.
_LIKE_IDS = re.compile(r"[\[(\s]*\d+(?:\.0*)?(?:[\s,;]+(?:\d+(?:\.0*)?|\.\.\.))+[\])\s,;]*")


def memorized_measure(
    options: MemorizationOptions, column: str = TOKENS
) -> Measure[OpenModel, Item]:
    """Memorization of each item. column: its token ids, as a list or JSON text; or a text."""

    def meter(model: OpenModel) -> MemorizationMeter:
        return MemorizationMeter(model, options)

    meter_of = one_for_each(meter)

    def measure(model: OpenModel, items: Sequence[Item]) -> list[RecordsOfItem | PythiaError]:
        def measure_rows(rows: list[TokenRow]) -> list[RecordsOfItem | PythiaError]:
            return one_record_each(meter_of(model).measure(rows))

        return measured_together(items, lambda item: _row_of(item, column), measure_rows)

    return measure


def _row_of(item: Item, column: str) -> TokenRow:
    """Raises ItemError for what is neither a list nor a text."""
    value = plain(item.value(column))
    if isinstance(value, list):
        return value
    text = item.text(column, expected="a list of token ids, or a text")
    found = _ids_in(text)
    if isinstance(found, str) and _LIKE_IDS.fullmatch(text):
        raise item.failed(f"field {column!r} looks like token ids; write them as [1, 2, 3]")
    return found


def _ids_in(text: str) -> TokenRow:
    """The ids of a list that is written in a cell of TSV or CSV; another text as it is."""
    found = list_in(text)
    if found is None or not all(isinstance(one, int) for one in found):
        return text
    return found
