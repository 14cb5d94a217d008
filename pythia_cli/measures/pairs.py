"""Minimal pairs: which of two sentences a model finds more likely (docs/pairs.md)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pythia_cli.engine.loglikelihood import TokenPair, loglikelihoods
from pythia_cli.errors import InputError, PythiaError, UsageError
from pythia_cli.measures.accuracy import Accuracy
from pythia_cli.measures.quantization_error import certified_kl, near_tie
from pythia_cli.model.open_model import OpenModel
from pythia_cli.reporting import NO_TASK, Task
from pythia_cli.tables.measuring import measured_together


class MinimalPair(NamedTuple):
    """Two sentences, of which the first is acceptable."""

    good: str
    bad: str


class PairMeter:
    """Compares sentences with one model.

    Each is scored behind <|endoftext|>, all of its tokens. leading_space: put a space before each,
    as lm-evaluation-harness does for BLiMP.
    """

    def __init__(self, model: OpenModel, *, leading_space: bool = False) -> None:
        self._model = model
        self._prefix = " " if leading_space else ""
        self._before = np.array([model.tokenizer.end_of_text], np.int64)
        self._kl = certified_kl(model)

    def measure(
        self, pairs: Sequence[MinimalPair], task: Task = NO_TASK
    ) -> list[dict[str, Any] | PythiaError]:
        """A record of each pair, or its error. `task` advances by tokens.

        logprob_good, logprob_bad: log-probabilities in nats. correct: 1 if that of the good
        sentence is larger, 0.5 if they are equal, else 0. near_tie: whether they differ by at
        most what quantization may have moved them by; None if the checkpoint has no certificate. An
        InputError is that of a sentence without tokens, and a UsageError that of one that is longer
        than the context.
        """

        def records(encoded: list[tuple[TokenPair, TokenPair]]) -> Iterator[dict[str, Any]]:
            sentences = [sentence for pair in encoded for sentence in pair]
            found = iter(loglikelihoods(self._model.scorer, sentences, task))
            for _ in encoded:
                yield self._record(next(found), next(found))

        return measured_together(pairs, self._encode, records)

    def _encode(self, pair: MinimalPair) -> tuple[TokenPair, TokenPair]:
        good, bad = (
            TokenPair(self._before, self._model.tokenizer.encode(self._prefix + text))
            for text in pair
        )
        for text, name in ((good, "the good sentence"), (bad, "the bad sentence")):
            if len(text.continuation) == 0:
                raise InputError(name, "is empty")
            if (n := len(text.continuation)) > (n_ctx := self._model.config.n_ctx):
                raise UsageError(
                    f"{name} has {n} tokens; the model takes {n_ctx} behind <|endoftext|>"
                )
        return good, bad

    def _record(self, good: Any, bad: Any) -> dict[str, Any]:
        difference, n_tokens = good.logprob - bad.logprob, good.n_tokens + bad.n_tokens
        return {
            "logprob_good": good.logprob,
            "logprob_bad": bad.logprob,
            "n_tokens_good": good.n_tokens,
            "n_tokens_bad": bad.n_tokens,
            "correct": 0.5 if difference == 0 else float(difference > 0),
            "near_tie": None
            if self._kl is None
            else abs(difference) <= near_tie(self._kl, n_tokens),
        }


class PairTotals:
    """Counts over pairs. Ties count half."""

    def __init__(self) -> None:
        self._correct = Accuracy()
        self._n_ties = 0
        self._n_near_ties: int | None = 0

    def add(self, record: Mapping[str, Any]) -> None:
        """Count the record of a pair."""
        self._correct.add(record["correct"])
        self._n_ties += record["correct"] == 0.5
        is_near = record["near_tie"]
        if self._n_near_ties is not None:
            self._n_near_ties = None if is_near is None else self._n_near_ties + bool(is_near)

    def figures(self) -> dict[str, Any]:
        """For JSON: n, accuracy (the share of pairs whose good sentence is more likely), ...

        n_near_ties: None if it is not known of all pairs.
        """
        return {
            "n": self._correct.n,
            "accuracy": self._correct.mean,
            "stderr": self._correct.stderr,
            "n_ties": self._n_ties,
            "n_near_ties": self._n_near_ties,
        }
