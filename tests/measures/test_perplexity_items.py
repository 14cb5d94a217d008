"""Perplexity of items: each as a line of the `document` protocol, and the figures of all."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import pythia_cli
from pythia_cli.errors import InvalidValue, PythiaError
from pythia_cli.library.model import Model
from pythia_cli.measures.perplexity import perplexity
from pythia_cli.measures.perplexity_items import (
    PERPLEXITY_COLUMNS,
    PerplexityTotals,
    perplexity_measure,
)
from pythia_cli.tables.running import located
from pythia_cli.tables.text_items import TextItems

LINES = ["It was a truth.", "  She had not been\tthere, caf\u00e9 ", "one two", "It was a truth."]


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with pythia_cli.load("demo") as opened:
        yield opened


def measured(model: Model, lines: list[str], **how: Any) -> list[Mapping[str, Any]]:
    rows = []
    for records in perplexity_measure(**how)(model, list(TextItems(lines))):
        assert not isinstance(records, PythiaError)
        (record,) = records
        assert isinstance(record, dict)
        rows.append(record)
    return rows


@pytest.mark.parametrize("how", [{}, {"bos": True}, {"context": 4, "stride": 2}])
def test_items_are_lines_of_the_document_protocol(model: Model, how: dict[str, Any]) -> None:
    rows = measured(model, LINES, **how)
    for line, row in zip(LINES, rows, strict=True):
        alone = perplexity(model, line, protocol="document", **how).to_dict()
        assert row == {name: alone[name] for name in PERPLEXITY_COLUMNS}
    totals = PerplexityTotals()
    for row in rows:
        totals.add(row)
    together = perplexity(model, "\n".join(LINES), protocol="document", **how).to_dict()
    expected = {name: together[name] for name in PERPLEXITY_COLUMNS}
    assert totals.figures() == {"n": len(LINES), **expected}


def test_what_has_no_token_to_score_is_its_error(model: Model, eval_text: str) -> None:
    items = list(TextItems(["It", "It was", "", " \t", eval_text[:4000]]))
    one, two, empty, blank, long = perplexity_measure()(model, items)
    assert not isinstance(two, PythiaError)
    assert not isinstance(long, PythiaError)
    messages = []
    for item, error in zip([items[0], *items[2:4]], [one, empty, blank], strict=True):
        assert isinstance(error, PythiaError)
        messages.append(str(located(item, error)).split(": ", 1)[1])
    assert messages == [
        "has 1 tokens; the document protocol needs at least 2",
        "is empty",
        "is blank: there is nothing to score",
    ]
    assert not isinstance(perplexity_measure(bos=True)(model, items[:1])[0], PythiaError)


def test_a_context_that_the_model_does_not_have(model: Model) -> None:
    with pytest.raises(InvalidValue, match="context is 513"):
        perplexity_measure(context=513)(model, list(TextItems(["It was"])))


def test_totals_of_nothing_and_of_large_figures() -> None:
    totals = PerplexityTotals()
    assert totals.figures() == {
        "n": 0, "nll": 0.0, "mean_nll": None, "n_tokens": 0, "n_bytes": 0, "n_words": 0,
        "perplexity": None, "bits_per_byte": None, "accuracy": None,
    }  # fmt: skip
    totals.add({"nll": 10.0, "n_tokens": 3, "n_bytes": 0, "n_words": 0, "accuracy": 1 / 3})
    totals.add({"nll": 2.0, "n_tokens": 1, "n_bytes": 4, "n_words": 1, "accuracy": 1.0})
    figures = totals.figures()
    assert (figures["n"], figures["n_tokens"], figures["accuracy"]) == (2, 4, 0.5)
    assert figures["perplexity"] == math.exp(3.0)
