"""Records in memory, from texts in memory."""

from __future__ import annotations

import sys

import pytest

from pythia_cli.errors import InputError
from pythia_cli.tables.problems import ItemError, MissingExtra
from pythia_cli.tables.records import Records, collect
from pythia_cli.tables.text_items import TextItems
from tests.tables.fakes import LENGTH, FakeModel, length


def test_texts() -> None:
    records = collect(
        TextItems(["a", "bb"]), LENGTH, [FakeModel().opened], length, left_out=["text"]
    )
    assert records == [
        {"model": "fake", "step": 3000, "precision": None, "item": 1, "length": 1, "share": 0.01},
        {"model": "fake", "step": 3000, "precision": None, "item": 2, "length": 2, "share": 0.02},
    ]
    assert list(records.columns) == ["model", "step", "precision", "item", "length", "share"]


def test_mappings_and_errors() -> None:
    items = TextItems([{"s": "a", "id": 7}, {"s": ""}], "s", "sentences")
    with pytest.raises(ItemError, match="sentences, item 2: field 's' is empty"):
        collect(items, LENGTH, [FakeModel().opened], length)
    records = collect(items, LENGTH, [FakeModel().opened], length, skip_errors=True)
    assert [(row["id"], row["s"], row["error"] is None) for row in records] == [
        (7, "a", True), (None, "", False),
    ]  # fmt: skip
    with pytest.raises(InputError, match="item 2 is int; expected a text or a mapping"):
        TextItems(["a", 3])  # type: ignore[list-item]


def test_to_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    records = collect(TextItems(["a", "bb"]), LENGTH, [FakeModel().opened], length)
    frame = records.to_pandas()
    assert isinstance(frame, pandas.DataFrame)
    assert frame.length.tolist() == [1, 2]
    assert list(Records({"a": str}).to_pandas().columns) == ["a"]


def test_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtra, match="to_pandas needs pandas, which is not installed"):
        Records({"a": str}).to_pandas()
