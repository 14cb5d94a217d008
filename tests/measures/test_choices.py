"""Choices against single log-likelihoods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.errors import InputError, UsageError
from pythia_cli.library.model import Model
from pythia_cli.measures.choices import ChoiceMeter, Question

QUESTIONS = [
    Question("She was very", ["happy", "the", "caf\u00e9 is open now"], 0),
    Question("It was not ", ["a", "an"], 1),
    Question("", ["It was", "Xyzzy"]),
    Question("Same", ["a", "a"], 1),
]


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with pythia_cli.load("demo") as opened:
        yield opened


@pytest.mark.parametrize("delimiter", [" ", "", "\n"])
def test_the_most_likely_continuation(model: Model, delimiter: str) -> None:
    found: list[Any] = ChoiceMeter(model, delimiter=delimiter).measure(QUESTIONS)
    for question, record in zip(QUESTIONS, found, strict=True):
        singles = [model.loglikelihood(question.context, delimiter + c) for c in question.choices]
        logprobs = np.array([single.logprob for single in singles])
        assert record["logprobs"] == pytest.approx(logprobs.tolist())
        assert record["n_tokens"] == [single.n_tokens for single in singles]
        for kind, sizes in (
            ("", [1 for _ in question.choices]),
            ("_norm", [len(choice) for choice in question.choices]),
            ("_bytes", [len(choice.encode()) for choice in question.choices]),
        ):
            chosen = int(np.argmax(logprobs / np.array(sizes)))
            assert record[f"chosen{kind}"] == chosen
            right = None if question.label is None else float(chosen == question.label)
            assert record[f"acc{kind}"] == right
    assert found[3]["chosen"] == 0  # the first of equals


def test_a_column_of_labels_that_no_one_asked_for_may_lack_some(model: Model) -> None:
    asked = {"context": "It was not", "choices": ["a", "xyzzy"]}
    labels: list[Any] = [np.int64(0), np.float64(0.0), None, "", -1, np.nan]
    rows = model.choices([*({**asked, "label": label} for label in labels), asked])
    assert [row["acc"] for row in rows] == [1.0, 1.0, *[None] * 5]
    with pytest.raises(InputError, match="field 'label' is -1, which is none"):
        model.choices([{**asked, "label": -1}], label="label")


@pytest.mark.parametrize(
    ("question", "kind"),
    [
        (Question("x", []), InputError),
        (Question("x", ["a", ""]), InputError),
        (Question("x", ["a", "b"], 2), InputError),
        (Question("x", ["a", "b"], -1), InputError),
        (Question("x", ["a", "word " * 3000]), UsageError),
        (Question("\ud800", ["a"]), InputError),
    ],
)
def test_bad_questions_are_errors_in_their_place(
    model: Model, question: Question, kind: type[Exception]
) -> None:
    first, bad, last = ChoiceMeter(model).measure([QUESTIONS[0], question, QUESTIONS[1]])
    assert isinstance(first, dict)
    assert isinstance(bad, kind)
    assert isinstance(last, dict)
