"""What a lens says of the texts of a table, as rows."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import pytest

import pythia_cli
from pythia_cli.errors import InvalidValue, NotFound
from pythia_cli.library.model import Model
from pythia_cli.measures.lens import LensedText, LensMeter, LensOptions
from pythia_cli.measures.lens_items import LENS_COLUMNS, lens_records
from pythia_cli.measures.lens_problems import NotTheTunedLens
from pythia_cli.tables.problems import ItemError
from tests.golden_inside import TUNED_LENS

N_LAYERS = 6
TEXT = "It was not caf\u00e9"


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with pythia_cli.load("demo") as opened:
        yield opened


def test_a_row_for_each_layer_and_position(model: Model) -> None:
    rows = model.lens([{"id": "a", "text": TEXT}], top=3)
    ids = model.tokenizer.encode(TEXT).tolist()
    n = len(ids)
    assert [(row["layer"], row["position"]) for row in rows] == [
        (layer, position) for layer in range(N_LAYERS + 1) for position in range(n)
    ]
    assert list(rows.columns) == ["model", "step", "precision", "item", "id", "text", *LENS_COLUMNS]
    assert {row["id"] for row in rows} == {"a"}
    assert [row["token_id"] for row in rows[:n]] == ids
    assert [row["target_id"] for row in rows[:n]] == [*ids[1:], None]
    assert "".join(str(row["token"]) for row in rows[: n - 1]).startswith("It was not caf")
    assert rows[0]["target"] == " was"
    last = rows[n - 1]
    assert [last[name] for name in ("target", "target_id", "nll", "rank")] == [None] * 4
    assert last["kl"] > 0
    for row in rows:
        assert len(row["top_tokens"]) == len(row["top_ids"]) == len(row["top_probs"]) == 3
        assert row["top_probs"] == sorted(row["top_probs"], reverse=True)
        if row["rank"] == 0:
            assert row["top_ids"][0] == row["target_id"]
            assert row["nll"] == pytest.approx(-math.log(row["top_probs"][0]))


def test_the_rows_are_the_figures(model: Model) -> None:
    (found,) = LensMeter(model, LensOptions()).measure([TEXT])
    assert isinstance(found, LensedText)
    rows = lens_records(found, model.tokenizer)
    shape = found.figures.kl.shape
    for name in ("kl", "entropy"):
        values = np.array([row[name] for row in rows]).reshape(shape)
        assert np.array_equal(values, getattr(found.figures, name))
    assert all(type(row["kl"]) is float and type(row["layer"]) is int for row in rows)
    assert {tuple(row) for row in rows} == {tuple(LENS_COLUMNS)}


def test_bytes_that_are_no_text_are_spelled(model: Model) -> None:
    rows = model.lens(["\u6771"], positions=[0])
    assert rows[0]["token"].startswith("\\x")


def test_several_texts_and_one_that_fails(model: Model) -> None:
    texts = ["It was", "", "One"]
    rows = model.lens(texts, positions=[0], skip_errors=True)
    assert [row["item"] for row in rows if row["error"] is None] == [1] * 7 + [3] * 7
    assert [row["error"] for row in rows if row["item"] == 2] == ["texts, item 2: is empty"]
    with pytest.raises(ItemError, match="item 2: is empty"):
        model.lens(texts)
    with pytest.raises(ItemError, match="item 1: has 801 tokens; the context of the model holds"):
        model.lens(["It was" + " not" * 799])


def test_a_tuned_lens_moves_all_layers_but_the_last(model: Model) -> None:
    logit, tuned = (model.lens([TEXT], tuned=lens) for lens in (None, str(TUNED_LENS)))
    for ours, theirs in zip(logit, tuned, strict=True):
        is_last = ours["layer"] == N_LAYERS
        assert (ours["entropy"] == theirs["entropy"]) == is_last
        assert (ours["top_probs"] == theirs["top_probs"]) == is_last


def test_arguments(model: Model) -> None:
    with pytest.raises(InvalidValue, match="texts is 'It was'"):
        model.lens("It was")
    with pytest.raises(InvalidValue, match="top is 0"):
        model.lens(["It was"], top=0)
    with pytest.raises(InvalidValue, match="positions"):
        model.lens(["It was"], positions=[])
    with pytest.raises(NotFound, match="does not exist"):
        model.lens(["It was"], tuned="/nowhere/lens")
    with pytest.raises(NotTheTunedLens, match="no folder of a tuned lens"):
        model.lens(["It was"], tuned=TUNED_LENS.parent)
