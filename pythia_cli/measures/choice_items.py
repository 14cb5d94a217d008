"""Questions that are items of a table, and their accuracy by group."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from pythia_cli.errors import PythiaError
from pythia_cli.measures.choices import ChoiceMeter, Question
from pythia_cli.model.open_model import OpenModel
from pythia_cli.tables.fields import MISSING, value_at
from pythia_cli.tables.item import Item
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.measuring import measured_together, one_for_each, one_record_each
from pythia_cli.tables.running import Measure, RecordsOfItem
from pythia_cli.tables.values import list_in, plain

CHOICE_COLUMNS: Mapping[str, Kind] = {
    "logprobs": object,
    "n_tokens": object,
    "chosen": int,
    "chosen_norm": int,
    "chosen_bytes": int,
    "acc": float,
    "acc_norm": float,
    "acc_bytes": float,
}


def choice_measure(
    *,
    context: str,
    choices: Sequence[str],
    label: str | None = None,
    delimiter: str = " ",
    may_lack_label: bool = False,
) -> Measure[OpenModel, Item]:
    """Which continuation is the most likely. context, label: their columns.

    choices: one column that holds a list of texts, as it is or as JSON text, or a column for each
    choice. A label is the index of a choice, from 0, or its text. may_lack_label: an item without
    one, or whose label is null, empty or -1, is measured all the same, and has no acc.
    """

    def meter(model: OpenModel) -> ChoiceMeter:
        return ChoiceMeter(model, delimiter=delimiter)

    meter_of = one_for_each(meter)

    def measure(model: OpenModel, items: Sequence[Item]) -> list[RecordsOfItem | PythiaError]:
        def measure_questions(questions: list[Question]) -> list[RecordsOfItem | PythiaError]:
            return one_record_each(meter_of(model).measure(questions))

        def question_of(item: Item) -> Question:
            found = _choices(item, choices)
            text = item.text(context, may_be_empty=True)
            return Question(text, found, right_one(item, found))

        def right_one(item: Item, found: Sequence[str]) -> int | None:
            if label is None or (may_lack_label and _lacks_label(item, label, found)):
                return None
            return _label(item, label, found)

        return measured_together(items, question_of, measure_questions)

    return measure


def _choices(item: Item, columns: Sequence[str]) -> list[str]:
    if len(columns) > 1:
        return [item.text(column) for column in columns]
    value = plain(item.value(columns[0]))
    if isinstance(value, str):
        value = list_in(value)
    if not isinstance(value, list) or not all(isinstance(choice, str) for choice in value):
        raise item.failed(f"field {columns[0]!r} is not a list of texts")
    if not value:
        raise item.failed(f"field {columns[0]!r} is an empty list")
    return value


def _lacks_label(item: Item, column: str, choices: Sequence[str]) -> bool:
    """Whether the field is not there, or holds what data sets have for an unknown label."""
    value = plain(value_at(item.fields, column))
    is_nan = isinstance(value, float) and math.isnan(value)
    if value is MISSING or value is None or value == "" or is_nan:
        return True
    return _whole(value) == -1 and value not in choices


def _whole(value: Any) -> int | None:
    """A whole number, or a text of one; pandas writes 0.0 where others of its column are missing.

    None for anything else.
    """
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(float(value))
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


_WHOLE = re.compile(r"(-1|[0-9]{1,9})(\.0*)?")


def _label(item: Item, column: str, choices: Sequence[str]) -> int:
    """The index of the right choice. Raises ItemError for a label that is none of them, or two."""
    value: Any = plain(item.value(column))
    possible = {index for index, choice in enumerate(choices) if choice == value}
    index = _whole(value)
    if index is not None and 0 <= index < len(choices):
        possible.add(index)
    if len(possible) == 1:
        return possible.pop()
    which = "may mean several" if possible else "is none"
    raise item.failed(
        f"field {column!r} is {value!r}, which {which} of the {len(choices)} choices; expected an"
        " index from 0, or the text of one"
    )
