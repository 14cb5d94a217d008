"""Questions that are items of a table, and their accuracy by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pythia_cli.errors import PythiaError
from pythia_cli.measures.choices import ChoiceMeter, Question
from pythia_cli.model.open_model import OpenModel
from pythia_cli.tables.item import Item
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.measuring import measured_together, one_for_each
from pythia_cli.tables.running import Measure, RecordsOfItem

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
    *, context: str, choices: Sequence[str], label: str | None = None, delimiter: str = " "
) -> Measure[OpenModel, Item]:
    """Which continuation is the most likely. context, label: their columns.

    choices: one column that holds a list of texts, or a column for each choice. A label is the
    index of a choice, from 0, or its text.
    """

    def meter(model: OpenModel) -> ChoiceMeter:
        return ChoiceMeter(model, delimiter=delimiter)

    meter_of = one_for_each(meter)

    def measure(model: OpenModel, items: Sequence[Item]) -> list[RecordsOfItem | PythiaError]:
        def measure_questions(questions: list[Question]) -> list[RecordsOfItem | PythiaError]:
            return [
                record if isinstance(record, PythiaError) else [record]
                for record in meter_of(model).measure(questions)
            ]

        def question_of(item: Item) -> Question:
            found = _choices(item, choices)
            text = item.text(context, may_be_empty=True)
            return Question(text, found, None if label is None else _label(item, label, found))

        return measured_together(items, question_of, measure_questions)

    return measure


def _choices(item: Item, columns: Sequence[str]) -> list[str]:
    if len(columns) > 1:
        return [item.text(column) for column in columns]
    value = item.value(columns[0])
    if not isinstance(value, list) or not all(isinstance(choice, str) for choice in value):
        raise item.failed(f"field {columns[0]!r} is not a list of texts")
    if not value:
        raise item.failed(f"field {columns[0]!r} is an empty list")
    return value


def _label(item: Item, column: str, choices: Sequence[str]) -> int:
    """The index of the right choice. Raises ItemError for a label that is none of them, or two."""
    value: Any = item.value(column)
    if isinstance(value, str):
        possible = {index for index, choice in enumerate(choices) if choice == value}
        index = int(value) if value.isdecimal() else -1
    else:
        possible, index = set(), value
    is_index = isinstance(index, int) and not isinstance(index, bool)
    if is_index and 0 <= index < len(choices):
        possible.add(index)
    if len(possible) == 1:
        return possible.pop()
    which = "may mean several" if possible else "is none"
    raise item.failed(
        f"field {column!r} is {value!r}, which {which} of the {len(choices)} choices; expected an"
        " index from 0, or the text of one"
    )
