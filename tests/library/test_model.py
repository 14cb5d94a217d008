"""The measures of a model, as rows of a table, against the commands' own measures."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import InputError, InvalidValue, UnknownName, UsageError
from pythia_cli.measures.icl import InContextMeter, InContextOptions
from pythia_cli.measures.memorize import MemorizationMeter, MemorizationOptions
from pythia_cli.measures.pairs import MinimalPair, PairMeter
from pythia_cli.measures.problems import NoWindows
from pythia_cli.measures.surprisal import SurprisalMeter, SurprisalOptions
from pythia_cli.measures.weight_figures import weight_figures
from pythia_cli.measures.weight_parameters import NAMES, parameters_of
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.publishing import FIRST, publish


@pytest.fixture(scope="module")
def model() -> Iterator[pythia_cli.Model]:
    with pythia_cli.load("demo") as opened:
        yield opened


def test_surprisal(model: pythia_cli.Model) -> None:
    texts = ["It was not.", "One"]
    rows = model.surprisal(texts, base=math.e, correction="oh-schuler")
    options = SurprisalOptions(base=math.e, correction="oh-schuler")
    expected: list[Any] = SurprisalMeter(model, options).measure(texts)
    assert [row["item"] for row in rows] == [1, 1, 1, 2]
    for row, record in zip(rows, [one for of_text in expected for one in of_text], strict=True):
        assert {name: row[name] for name in record} == record
        assert (row["model"], row["step"]) == ("demo", 3000)


def test_columns_are_kept(model: pythia_cli.Model) -> None:
    (row,) = model.surprisal([{"id": 7, "sentence": "One"}], column="sentence", by="text")
    assert (row["id"], row["sentence"], row["n_words"]) == (7, "One", 1)


def test_pairs_of_texts_and_of_columns(model: pythia_cli.Model) -> None:
    pair = ("She was here.", "She were here.")
    (expected,) = PairMeter(model).measure([MinimalPair(*pair)])
    assert isinstance(expected, dict)
    for given, names in ((pair, {}), ({"a": pair[0], "b": pair[1]}, {"good": "a", "bad": "b"})):
        (row,) = model.pairs([given], **names)  # type: ignore[list-item, arg-type]
        assert {name: row[name] for name in expected} == expected


def test_choices(model: pythia_cli.Model) -> None:
    questions = [{"context": "She was", "choices": ["very", "xyzzy"], "gold": "very"}]
    assert [row["acc"] for row in model.choices(questions, label="gold")] == [1.0]
    assert [row["acc"] for row in model.choices(questions)] == [None]
    columns = [{"context": "She was", "a": "xyzzy", "b": "very", "label": 1}]
    assert [row["acc"] for row in model.choices(columns, choices=["a", "b"])] == [1.0]


def test_memorize(model: pythia_cli.Model) -> None:
    text = "It was a very good thing to be a gentleman"
    ids = model.tokenize(text).token_ids[:8]
    (expected,) = MemorizationMeter(model, MemorizationOptions(2, 6)).measure([ids])
    assert isinstance(expected, dict)
    given = [ids, ids.tolist(), tuple(ids.tolist()), text, {"tokens": ids}, {"tokens": text}]
    for row in model.memorize(given, prompt=2, continuation=6):
        assert {name: row[name] for name in expected} == expected
    (row,) = model.memorize([{"id": 7, "x": text}], prompt=2, continuation=6, column="x")
    assert row["id"] == 7
    with pytest.raises(InputError, match="item 1: has 8 tokens; 64 are needed"):
        model.memorize([ids])
    with pytest.raises(InputError, match="item 2: field 'tokens' is a number"):
        model.memorize([ids, 5], prompt=2, continuation=6)  # type: ignore[list-item]
    with pytest.raises(InputError, match="item 1: token 2 has the id -1"):
        model.memorize([[1, -1, 3]], prompt=1, continuation=2)
    for arguments in ({"prompt": 0}, {"prompt": 513}, {"continuation": 500}):
        with pytest.raises(InvalidValue):
            model.memorize([ids], **arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue):
        model.memorize(text)


def test_icl(model: pythia_cli.Model, eval_text: str) -> None:
    texts = [eval_text[:900], "It was."]
    expected: list[Any] = InContextMeter(model, InContextOptions(5, 60)).measure(texts)
    given = [texts[0], {"id": 7, "text": texts[1]}]
    rows = model.icl(given, early=5, late=60)
    assert [{name: row[name] for name in expected[0]} for row in rows] == expected
    assert [row["id"] for row in rows] == [None, 7]
    assert model.icl([]) == []
    with pytest.raises(NoWindows, match="texts: have 3 to 263 tokens; a window needs 500"):
        model.icl(given)
    with pytest.raises(InputError, match=r"item 2: .*UTF-8"):
        model.icl([texts[0], "\ud800"])
    bad: Any = [texts[0], "\ud800"]
    rows = model.icl(bad, late=60, skip_errors=True)
    assert [row["n_windows"] for row in rows] == [4, None]
    for arguments in ({"early": 0}, {"late": 50}, {"late": 513}, {"early": 1, "bos": False}):
        with pytest.raises(InvalidValue):
            model.icl(given, **arguments)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="texts"):
        model.icl(eval_text)


def test_impossible_arguments(model: pythia_cli.Model) -> None:
    with pytest.raises(InvalidValue):
        model.surprisal("It was not.")
    with pytest.raises(InvalidValue):
        model.surprisal([], by="line")  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="bos"):
        model.surprisal(["One"], by="text", bos=False)
    for pairs in (("One", "Two"), {"sentence_good": "a"}, "ab", [("a", "b", "c")], [("a", 1)]):
        with pytest.raises(InvalidValue, match="pairs"):
            model.pairs(pairs)  # type: ignore[arg-type]
    with pytest.raises(InvalidValue, match="questions"):
        model.choices({"context": "x"})  # type: ignore[arg-type]
    with pytest.raises(InputError, match="item 2"):
        model.surprisal(["One", ""])
    with pytest.raises(InputError, match="item 1"):
        model.surprisal([" "])
    with pytest.raises(InputError, match="item 1"):
        model.pairs([("One", "\ud800")])


def test_errors_become_rows(model: pythia_cli.Model) -> None:
    rows = model.surprisal(["One", "", "Two"], by="text", skip_errors=True)
    assert [row["error"] is None for row in rows] == [True, False, True]


def test_records_are_brief_and_sliced(model: pythia_cli.Model) -> None:
    rows = model.surprisal(["It was not."], by="text")
    assert repr(rows).startswith("Records(1 rows: model, step, precision, item, text, ")
    assert isinstance(rows[:1], pythia_cli.Records)
    assert rows[:1].columns == rows.columns


def test_a_data_frame(model: pythia_cli.Model) -> None:
    pytest.importorskip("pandas")
    frame = model.surprisal(["It was not."]).to_pandas()
    assert frame["word"].tolist() == ["It", "was", "not."]


def test_weight_figures(model: pythia_cli.Model) -> None:
    with pythia_cli.load("demo", 64) as early:
        pass  # a closed one will do
    rows = model.weight_figures(early, parameters=["attention.*"], singular_values=True)
    floats, before = model.opened.float_checkpoint(), early.opened.float_checkpoint()
    expected = [
        one
        for parameter in parameters_of(floats.config, ["attention.*"])
        for one in weight_figures(floats, parameter, before)
    ]
    assert len(rows) == 6 * (4 + 4 + 1 + 1)
    for row, figures in zip(rows, expected, strict=True):
        assert {name: row[name] for name in figures.to_dict()} == figures.to_dict()
        assert np.array_equal(row["singular_values"], figures.singular_values)
        named = (row["model"], row["step"], row["previous_step"], row["precision"])
        assert named == ("demo", 3000, 64, "float32")
    alone = model.weight_figures()
    assert len(alone) == 112
    assert list(alone.columns) == [name for name in rows.columns if name != "singular_values"]
    assert {row["previous_step"] for row in alone} == {row["distance"] for row in alone} == {None}


def test_weight_figures_that_there_are_not(
    model: pythia_cli.Model, store: Store, small: FloatCheckpoint
) -> None:
    publish(store, small, FIRST)
    with pythia_cli.load("mine", 1, store=store) as other:
        with pytest.raises(InvalidValue, match="checkpoint is 'mine@1'"):
            model.weight_figures(other)
        assert {row["parameter"] for row in other.weight_figures()} == set(NAMES)
    with pytest.raises(UsageError, match="the model is closed"):
        other.weight_figures()
    with pytest.raises(InvalidValue, match=r"parameters is 'embed_in\.weight'"):
        model.weight_figures(parameters="embed_in.weight")
    with pytest.raises(UnknownName, match="unknown parameter 'embed'"):
        model.weight_figures(parameters=["embed"])
