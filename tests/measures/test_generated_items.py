"""Continuations of items: those of `Model.generate`, whatever is measured beside them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pythia_cli
from pythia_cli.engine.generate import GenerateOptions
from pythia_cli.engine.sampling import SamplingOptions
from pythia_cli.errors import PromptTooLong
from pythia_cli.library.model import Model
from pythia_cli.measures.generated_items import GENERATED_COLUMNS, generated_measure
from pythia_cli.tables.item import Item
from pythia_cli.tables.records import collect
from pythia_cli.tables.text_items import TextItems

OPTIONS = GenerateOptions(max_tokens=5, seed=3)
PROMPTS = ["It was\nnot", "", "She had", "It was\nnot"]


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with pythia_cli.load("demo") as opened:
        yield opened


def test_samples_are_those_of_generate(model: Model) -> None:
    found = generated_measure(OPTIONS, num_samples=2)(model, list(TextItems(PROMPTS)))
    for prompt, records in zip(PROMPTS, found, strict=True):
        assert isinstance(records, list)
        assert [record["sample"] for record in records] == [0, 1]
        assert all(list(record) == list(GENERATED_COLUMNS) for record in records)
        alone = model.generate_batch([prompt], OPTIONS, num_samples=2)
        for record, sample in zip(records, alone, strict=True):
            expected = sample.to_dict()
            assert {name: expected[name] for name in record if name != "sample"} == {
                name: value for name, value in record.items() if name != "sample"
            }
    assert found[0] == found[3]


def test_batches_change_nothing(model: Model) -> None:
    measure = generated_measure(OPTIONS)
    items = list(TextItems(PROMPTS))
    assert [measure(model, [item])[0] for item in items] == list(measure(model, items))


def test_a_prompt_that_is_too_long_or_no_text_is_its_own_error(model: Model) -> None:
    greedy = GenerateOptions(max_tokens=3, sampling=SamplingOptions(temperature=0))
    long = "It was " * model.config.n_ctx
    items = [
        *TextItems(["It was", long]),
        Item(3, 3, {"text": None}, "a.jsonl"),
        *TextItems(["It was"]),
    ]
    good, too_long, no_text, same = generated_measure(greedy)(model, items)
    assert good == same
    assert isinstance(too_long, PromptTooLong)
    assert str(no_text) == "a.jsonl, line 3: field 'text' is null; expected a text"
    (records,) = generated_measure(greedy, truncate_prompt=True)(model, items[1:2])
    assert isinstance(records, list)
    (record,) = records
    assert record["n_prompt_tokens"] == model.config.n_ctx - 3
    assert record["n_prompt_tokens_cut"] > 0


def test_a_table_in_memory() -> None:
    found = collect(
        TextItems(PROMPTS[:1]),
        GENERATED_COLUMNS,
        [lambda: pythia_cli.load("demo", 0), lambda: pythia_cli.load("demo")],
        generated_measure(OPTIONS),
        left_out=["text"],
    )
    assert [record["step"] for record in found] == [0, 3000]
    assert list(found[0]) == [
        "model", "step", "precision", "item", *GENERATED_COLUMNS,
    ]  # fmt: skip
