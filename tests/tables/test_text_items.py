"""Items that are in memory."""

from __future__ import annotations

import pytest

from pythia_cli.errors import InputError
from pythia_cli.tables.text_items import FileTexts, TextItems


def test_texts_and_columns() -> None:
    items = TextItems(["a", {"text": "b", "id": 7}])
    assert [item.text() for item in items] == ["a", "b"]
    assert items.columns == {"text": str, "id": int}
    with pytest.raises(InputError, match="item 2 is int; expected a text or a mapping"):
        TextItems(["a", 5])  # type: ignore[list-item]


def test_whole_files_are_items_with_their_names() -> None:
    items = FileTexts([("a.txt", "one\ntwo"), ("b.txt", "")])
    assert items.has_file
    assert [(item.number, item.source, item.fields) for item in items] == [
        (1, "a.txt", {"text": "one\ntwo"}),
        (2, "b.txt", {"text": ""}),
    ]
    assert items.n_bytes == sum(item.n_bytes for item in items) > len("one\ntwo")
    (failed,) = [str(item.failed("is odd")) for item in items if item.number == 2]
    assert failed == "b.txt, item 1: is odd"
