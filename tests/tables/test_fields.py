"""Columns by name, and what is near a name that is wrong."""

from __future__ import annotations

import pytest

from pythia_cli.tables.fields import MISSING, nearest_names, value_at

FIELDS = {"a": {"b": ["x", {"c": 1}], "d.e": 2}, "a.b": 3, "n": None, "list": [4]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a.b", 3),  # the key with a dot, not the one within
        ("a.b.0", "x"),
        ("a.b.1.c", 1),
        ("a.d.e", 2),
        ("list.0", 4),
        ("n", None),
        ("list.1", MISSING),
        ("list.-1", MISSING),
        ("a.x", MISSING),
        ("n.x", MISSING),
        ("", MISSING),
        (".", MISSING),
    ],
)
def test_dots_lead_into_objects(name: str, value: object) -> None:
    assert value_at(FIELDS, name) == value


def test_nearest_names() -> None:
    names = ["Sentence", "sentence_bad", "id"]
    assert nearest_names("sentense", names) == ["Sentence", "sentence_bad"]
    assert nearest_names("SENTENCE_BAD ", names)[0] == "sentence_bad"
    assert nearest_names("gold", names) == []
