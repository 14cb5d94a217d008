"""Which of several continuations a model finds most likely (docs/choices.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pythia_cli.engine.loglikelihood import (
    Loglikelihood,
    TokenPair,
    check_fits,
    encode_pair,
    loglikelihoods,
)
from pythia_cli.errors import InputError, PythiaError
from pythia_cli.measures.accuracy import Accuracy
from pythia_cli.model.open_model import OpenModel
from pythia_cli.reporting import NO_TASK, Task
from pythia_cli.tables.measuring import measured_together

_KINDS = ("", "_norm", "_bytes")
"""Of accuracies: by log-probability, by that of a character, and by that of a byte."""


class Question(NamedTuple):
    """A context and its possible continuations. label: the index of the right one, if known."""

    context: str
    choices: Sequence[str]
    label: int | None = None


class ChoiceMeter:
    """Answers questions with one model, as multiple_choice tasks of lm-evaluation-harness do.

    delimiter: between context and choice; part of the continuation that is scored.
    """

    def __init__(self, model: OpenModel, *, delimiter: str = " ") -> None:
        self._model, self._delimiter = model, delimiter

    def measure(
        self, questions: Sequence[Question], task: Task = NO_TASK
    ) -> list[dict[str, Any] | PythiaError]:
        """A record of each question, or its error. `task` advances by tokens of choices.

        logprobs: of each choice, in nats. chosen, chosen_norm, chosen_bytes: the index of the
        largest of them, as they are, divided by the characters of the choice, or by its UTF-8
        bytes; the first of equals. acc, acc_norm, acc_bytes: 1 if that is the label, else 0; None
        without a label. A UsageError is that of a question longer than the context, an InputError
        that of one without choices, with an empty one, or with a label that is none of them.
        """

        def records(encoded: list[tuple[Question, list[TokenPair]]]) -> Iterator[dict[str, Any]]:
            pairs = [pair for _, choices in encoded for pair in choices]
            found = iter(loglikelihoods(self._model.scorer, pairs, task))
            for question, choices in encoded:
                yield _record(question, [next(found) for _ in choices])

        return measured_together(questions, self._encode, records)

    def _encode(self, question: Question) -> tuple[Question, list[TokenPair]]:
        n = len(question.choices)
        if n == 0:
            raise InputError("choices", "there are none")
        if not all(question.choices):
            raise InputError("choices", "one of them is empty")
        if question.label is not None and not 0 <= question.label < n:
            raise InputError("label", f"is {question.label}, but there are {n} choices, from 0")
        pairs = [
            encode_pair(self._model.tokenizer, question.context, self._delimiter + choice)
            for choice in question.choices
        ]
        for pair in pairs:
            check_fits(pair, self._model.config.n_ctx)
        return question, pairs


class ChoiceTotals:
    """Counts over questions that have a label."""

    def __init__(self) -> None:
        self._scores = {f"acc{kind}": Accuracy() for kind in _KINDS}

    def add(self, record: Mapping[str, Any]) -> None:
        """Count the record of a question."""
        for name, accuracy in self._scores.items():
            accuracy.add(record[name])

    def figures(self) -> dict[str, Any]:
        """For JSON: n, and each accuracy with its standard error, such as acc_stderr."""
        found: dict[str, Any] = {"n": self._scores["acc"].n}
        for name, accuracy in self._scores.items():
            found |= {name: accuracy.mean, f"{name}_stderr": accuracy.stderr}
        return found


def _record(question: Question, found: Sequence[Loglikelihood]) -> dict[str, Any]:
    logprobs = np.array([one.logprob for one in found])
    n_characters = np.array([len(choice) for choice in question.choices])
    n_bytes = np.array([len(choice.encode()) for choice in question.choices])
    sizes = (np.ones(len(logprobs)), n_characters, n_bytes)
    chosen = {
        kind: int((logprobs / size).argmax()) for kind, size in zip(_KINDS, sizes, strict=True)
    }
    label = question.label
    return {
        "logprobs": logprobs.tolist(),
        "n_tokens": [one.n_tokens for one in found],
        **{f"chosen{kind}": index for kind, index in chosen.items()},
        **{
            f"acc{kind}": None if label is None else float(index == label)
            for kind, index in chosen.items()
        },
    }
