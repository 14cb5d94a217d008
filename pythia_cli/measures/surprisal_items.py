"""Surprisal of the items of a table: of a text in each, or of texts whose words are items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pythia_cli.errors import PythiaError
from pythia_cli.measures.surprisal import SurprisalMeter, SurprisalOptions, Unit
from pythia_cli.model.open_model import OpenModel
from pythia_cli.tables.item import Group, Item
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.measuring import measured_together, one_for_each
from pythia_cli.tables.running import Measure, RecordsOfItem, RowOf
from pythia_cli.text.word_spans import Span

_SURPRISALS: dict[str, Kind] = {"surprisal": float, "surprisal_uncorrected": float}
_WORD: dict[str, Kind] = {
    "n_tokens": int,
    **_SURPRISALS,
    "entropy": float,
    "first_token": int,
    "last_token": int,
    "char_start": int,
    "char_end": int,
}
_COLUMNS: dict[Unit, dict[str, Kind]] = {
    "token": {
        "token_position": int,
        "token": str,
        "token_id": int,
        "surprisal": float,
        "entropy": float,
        "rank": int,
        "byte_start": int,
        "byte_end": int,
    },
    "word": {"word_id": int, "word": str, **_WORD},
    "text": {"n_words": int, "n_tokens": int, **_SURPRISALS},
}


def surprisal_columns(by: Unit, *, in_rows: bool = False) -> Mapping[str, Kind]:
    """The columns of the records. in_rows: of words that are items, and carry their own columns."""
    return _WORD if in_rows and by == "word" else _COLUMNS[by]


def surprisal_measure(options: SurprisalOptions) -> Measure[OpenModel, Item]:
    """Surprisal of the text of each item. One without words is an error, if that is the unit."""

    def meter(model: OpenModel) -> SurprisalMeter:
        return SurprisalMeter(model, options)

    meter_of = one_for_each(meter)

    def measure(model: OpenModel, items: Sequence[Item]) -> list[RecordsOfItem | PythiaError]:
        def text_of(item: Item) -> str:
            text = item.text()
            if options.by == "word" and not text.split():
                raise item.failed("has no words")
            return text

        return measured_together(items, text_of, meter_of(model).measure)

    return measure


def surprisal_of_rows(options: SurprisalOptions) -> Measure[OpenModel, Group]:
    """Surprisal of groups of items that are the words of a text, joined by single spaces.

    By word, each item gets the record of its word, which may hold spaces. Otherwise the group gets
    the records.
    """

    def meter(model: OpenModel) -> SurprisalMeter:
        return SurprisalMeter(model, options)

    meter_of = one_for_each(meter)

    def measure(model: OpenModel, groups: Sequence[Group]) -> list[RecordsOfItem | PythiaError]:
        def measure_texts(words: list[list[str]]) -> list[RecordsOfItem | PythiaError]:
            texts = [" ".join(of_text) for of_text in words]
            found = meter_of(model).measure(texts, [_spans(of_text) for of_text in words])
            return list(found)

        found = measured_together(groups, _words, measure_texts)
        if options.by != "word":
            return found
        return [
            records if isinstance(records, PythiaError) else _by_item(group, records)
            for group, records in zip(groups, found, strict=True)
        ]

    return measure


def _words(group: Group) -> list[str]:
    words = []
    for item in group.items:
        word = item.text()
        if not word.strip() or word != word.strip():
            raise item.failed("expected a word without white space around it")
        words.append(word)
    return words


def _spans(words: Sequence[str]) -> list[Span]:
    """Where these words are in their text, with a space between each two."""
    spans, begin = [], 0
    for word in words:
        spans.append(Span(begin, begin + len(word)))
        begin += len(word) + 1
    return spans


def _by_item(group: Group, records: RecordsOfItem) -> list[RowOf]:
    rows = []
    for item, record in zip(group.items, records, strict=True):
        assert not isinstance(record, RowOf)
        known: dict[str, Any] = {name: record[name] for name in _WORD}
        rows.append(RowOf(item, known))
    return rows
