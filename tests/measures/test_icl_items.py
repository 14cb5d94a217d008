"""In-context learning of items."""

from __future__ import annotations

import contextlib

import pytest

import pythia_cli
from pythia_cli.measures.icl import InContextMeter, InContextOptions
from pythia_cli.measures.icl_items import ICL_COLUMNS, icl_measure
from pythia_cli.tables.problems import ItemError
from pythia_cli.tables.records import Records, collect
from pythia_cli.tables.text_items import FileTexts, TextItems

OPTIONS = InContextOptions(2, 10)


def rows_of(model: pythia_cli.Model, items: TextItems) -> Records:
    opener = lambda: contextlib.nullcontext(model)  # noqa: E731
    return collect(items, ICL_COLUMNS, [opener], icl_measure(OPTIONS), left_out=[items.column])


def test_rows_are_the_records_of_the_texts(eval_text: str) -> None:
    texts = [eval_text[:500], "", eval_text[500:600]]
    with pythia_cli.load("demo") as model:
        expected = InContextMeter(model, OPTIONS).measure(texts)
        for items in (TextItems(texts), FileTexts([("a", text) for text in texts])):
            found = rows_of(model, items)
            kept = [{name: row[name] for name in ICL_COLUMNS} for row in found]
            assert kept == expected
        with pytest.raises(ItemError, match="field 'text' is a number; expected a text"):
            rows_of(model, TextItems([{"text": 5}]))
