"""Memorization: how much of what follows a prompt a model repeats (docs/memorize.md).

Biderman et al. 2023, Emergent and Predictable Memorization in Large Language Models.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pythia_cli.engine.checks import check_whole
from pythia_cli.engine.greedy import (
    GreedyOptions,
    GreedyPath,
    greedy_path_by_passes,
    greedy_paths,
)
from pythia_cli.engine.scores import check_finite
from pythia_cli.errors import InputError, InvalidValue, PythiaError
from pythia_cli.measures.accuracy import Accuracy
from pythia_cli.measures.quantization_error import certified_kl, near_tie
from pythia_cli.model.open_model import OpenModel
from pythia_cli.reporting import NO_TASK, Task
from pythia_cli.tables.measuring import measured_together
from pythia_cli.text.token_ids import checked_token_ids

TokenRow = Sequence[int] | np.ndarray[Any, Any] | str
"""Token ids, or a text. Tokens behind the continuation are ignored."""


@dataclass(frozen=True)
class MemorizationOptions:
    """How memorization is measured.

    prompt, continuation: tokens of a row that are read, and tokens behind them that are compared.
    extractable_only: stop a row at its first miss. end_of_text: the model may choose
    <|endoftext|>, which EleutherAI's evaluation forbids.
    """

    prompt: int = 32
    continuation: int = 32
    extractable_only: bool = False
    end_of_text: bool = False

    @property
    def n_tokens(self) -> int:
        """The tokens of a row that are used."""
        return self.prompt + self.continuation

    def check(self, n_ctx: int | None = None) -> None:
        """Raises InvalidValue for impossible numbers. n_ctx: the context of a model, if known."""
        check_whole("prompt", self.prompt, 1)
        check_whole("continuation", self.continuation, 1)
        if n_ctx is None:
            return
        if self.prompt > n_ctx:
            raise InvalidValue("prompt", self.prompt, f"{n_ctx} or less, the model's context")
        most = n_ctx + 1 - self.prompt
        if self.continuation > most:
            expected = f"{most} or less behind {self.prompt} tokens, in a context of {n_ctx}"
            raise InvalidValue("continuation", self.continuation, expected)


class MemorizationMeter:
    """Measures memorization with one model. Raises InvalidValue for impossible options.

    near_tie: the margin in nats up to which quantization may have decided a token; None if that is
    not known, as the checkpoint has no certificate.
    """

    def __init__(self, model: OpenModel, options: MemorizationOptions | None = None) -> None:
        self.options = MemorizationOptions() if options is None else options
        self.options.check(model.config.n_ctx)
        self._model = model
        kl = certified_kl(model)
        # The margin is the difference of the log-probabilities of two tokens.
        self.near_tie = None if kl is None else near_tie(kl, 2)

    def measure(
        self, rows: Sequence[TokenRow], task: Task = NO_TASK
    ) -> list[dict[str, Any] | PythiaError]:
        """A record of each row, or its error. `task` advances by rows.

        score: the share of the continuation's tokens that greedy decoding after the prompt gives in
        their places. extractable: all of them. first_miss: the index in the continuation of the
        first that differs, or None. nll: of the continuation in nats, each token given all true
        ones before it. margin: the least difference of the two largest logits on the greedy path.
        n_near_ties: how many are `near_tie` or less; None if that is not known.

        With extractable_only, the path ends with the first miss; then `score` is None if there is
        one. An InputError is that of a row that is too short, a UsageError that of one with ids
        that no token has. Raises IntegrityError if the model gives NaN.
        """

        def records(good: list[np.ndarray[Any, Any]]) -> list[dict[str, Any]]:
            task.advance(len(rows) - len(good))
            return list(map(self._record, good, self._paths(good, task)))

        return measured_together(rows, self._encode, records)

    def _encode(self, row: TokenRow) -> np.ndarray[Any, Any]:
        n, tokenizer = self.options.n_tokens, self._model.tokenizer
        ids = tokenizer.encode(row) if isinstance(row, str) else row
        if len(ids) < n:
            raise InputError("row", f"has {len(ids)} tokens; {n} are needed")
        return checked_token_ids(ids[:n], tokenizer)

    def _paths(self, rows: Sequence[np.ndarray[Any, Any]], task: Task) -> list[GreedyPath]:
        never = None if self.options.end_of_text else self._model.tokenizer.end_of_text
        options = GreedyOptions(self.options.prompt, self.options.extractable_only, never)
        if self._model.dtype == "int8":
            return greedy_paths(self._model.transformer, np.array(rows), options, task)
        paths = []
        for row in rows:
            paths.append(greedy_path_by_passes(self._model.scorer, row, options))
            task.advance(1)
        return paths

    def _record(self, row: np.ndarray[Any, Any], path: GreedyPath) -> dict[str, Any]:
        check_finite(path.nll)
        truth = row[self.options.prompt :]
        agrees = path.token_ids == truth[: len(path.token_ids)]
        extractable = bool(agrees.all())
        is_whole = len(agrees) == len(truth) and not self.options.extractable_only
        return {
            "score": float(agrees.mean()) if is_whole or extractable else None,
            "extractable": extractable,
            "first_miss": None if extractable else int(agrees.argmin()),
            "nll": math.fsum(path.nll),
            "margin": float(path.margins.min()),
            "n_near_ties": None
            if self.near_tie is None
            else int((path.margins <= self.near_tie).sum()),
        }


class MemorizationTotals:
    """Counts over rows."""

    def __init__(self) -> None:
        self._scores, self._extractable = Accuracy(), Accuracy()
        self._n_with_near_ties: int | None = 0

    def add(self, record: Mapping[str, Any]) -> None:
        """Count the record of a row."""
        self._extractable.add(record["extractable"])
        if record["score"] is not None:
            self._scores.add(record["score"])
        n = record["n_near_ties"]
        if self._n_with_near_ties is not None:
            self._n_with_near_ties = None if n is None else self._n_with_near_ties + (n > 0)

    def figures(self) -> dict[str, Any]:
        """For JSON: n, the mean score, the share of extractable rows, their standard errors, ...

        score: None if some rows were not decoded to their ends. n_with_near_ties: rows that have
        any; None if that is not known of all.
        """
        has_scores = self._scores.n == self._extractable.n
        return {
            "n": self._extractable.n,
            "score": self._scores.mean if has_scores else None,
            "score_stderr": self._scores.stderr if has_scores else None,
            "extractable": self._extractable.mean,
            "extractable_stderr": self._extractable.stderr,
            "n_with_near_ties": self._n_with_near_ties,
        }
