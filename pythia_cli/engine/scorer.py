"""Scores texts with the int8 engine or the float32 reference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from pythia_cli.engine.forward_pass import NO_MEMBERS
from pythia_cli.engine.kv_cache import KVCache
from pythia_cli.engine.packing import score_packed
from pythia_cli.engine.scored_text import ScoredText
from pythia_cli.engine.scores import Scores
from pythia_cli.engine.targets import NO_TARGET, TargetedText
from pythia_cli.engine.text_plan import TextPlan
from pythia_cli.engine.totals import Totals
from pythia_cli.engine.transformer import Transformer
from pythia_cli.reporting import Task

if TYPE_CHECKING:  # torch takes a second to import
    from pythia_cli.engine.reference import Reference


_MOST_TOKENS = 1 << 20
"""The most tokens that are packed into passes together. Fewer have fewer prefixes in common."""


class Scorer(Protocol):
    """Scores targets. Every text has at least one, and starts with an empty context."""

    def score(
        self,
        texts: Sequence[TargetedText],
        task: Task,
        members: np.ndarray[Any, Any] | None = None,
    ) -> list[Scores]:
        """The scores of each text's targets, in order. `task` advances by targets.

        members [d_vocab] float32: 1 for the tokens of the set whose probability is wanted at each
        target, else 0.
        """

    def logits(self, token_ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """The logits [n, d_vocab] of token_ids [n >= 1]."""


class Int8Scorer:
    """The int8 engine. Short texts share passes; the bits are the same as for each alone."""

    def __init__(self, transformer: Transformer) -> None:
        self._transformer = transformer
        self._cache: KVCache | None = None

    def score(
        self,
        texts: Sequence[TargetedText],
        task: Task,
        members: np.ndarray[Any, Any] | None = None,
    ) -> list[Scores]:
        """As Scorer.score. Raises UsageError for ids that the model does not have."""
        members = NO_MEMBERS if members is None else members
        with self._transformer.one_thread:
            if len(texts) != 1:
                return score_packed(self._transformer, texts, task, members)
            ((token_ids, targets),) = texts
            cache = self._empty_cache(len(token_ids))
            scores = self._transformer.score(token_ids, targets, cache, members)
            task.advance(len(scores.nll))
            return [scores]

    def logits(self, token_ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """As Scorer.logits."""
        logits = np.empty((len(token_ids), self._transformer.d_vocab), np.float32)
        with self._transformer.one_thread:
            cache = self._empty_cache(len(token_ids))
            for at, rows in self._transformer.chunks(token_ids, cache):
                logits[at : at + len(rows)] = rows
        return logits

    def _empty_cache(self, n_tokens: int) -> KVCache:
        """An empty cache for n_tokens. It is reused, because allocating one takes time."""
        if self._cache is None or self._cache.capacity < n_tokens:
            self._cache = self._transformer.new_cache(max(n_tokens, 1))
        self._cache.truncate(0)
        return self._cache


class Float32Scorer:
    """The float32 reference, text by text."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference

    def score(
        self,
        texts: Sequence[TargetedText],
        task: Task,
        members: np.ndarray[Any, Any] | None = None,
    ) -> list[Scores]:
        """As Scorer.score."""
        return list(self._scores(texts, task, members))

    def logits(self, token_ids: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """As Scorer.logits."""
        return self.reference.logits(token_ids)

    def _scores(
        self,
        texts: Sequence[TargetedText],
        task: Task,
        members: np.ndarray[Any, Any] | None,
    ) -> Iterator[Scores]:
        for token_ids, targets in texts:
            # The reference takes targets only for the last tokens of a text.
            (rows,) = (targets != NO_TARGET).nonzero()
            first = int(rows[0])
            scores = self.reference.score(token_ids, targets[first:].clip(0), members)
            yield Scores(*(values[rows - first] for values in scores))
            task.advance(len(rows))


def score_plans(
    plans: Sequence[TextPlan],
    scorer: Scorer,
    task: Task,
    members: np.ndarray[Any, Any] | None = None,
) -> list[ScoredText]:
    """Score several texts; members: as in Scorer.score.

    Raises IntegrityError if the scores are not finite.
    """
    scores = score_texts(_passes(plans), scorer, task, members)
    return [plan.scored(scores, with_set=members is not None) for plan in plans]


def total_plans(plans: Sequence[TextPlan], scorer: Scorer, task: Task) -> Iterator[Totals]:
    """Yield the totals of score_plans, without keeping what is known of each token."""
    scores = score_texts(_passes(plans), scorer, task)
    return (plan.totals(scores) for plan in plans)


def _passes(plans: Sequence[TextPlan]) -> Iterator[TargetedText]:
    return (text for plan in plans for text in plan.passes())


def score_texts(
    texts: Iterable[TargetedText],
    scorer: Scorer,
    task: Task,
    members: np.ndarray[Any, Any] | None = None,
) -> Iterator[Scores]:
    """The scores of each text, or window of one. Not all of them are made at once.

    task, members: as in Scorer.score.
    """
    block: list[TargetedText] = []
    n_tokens = 0
    for text in texts:
        if block and n_tokens + len(text.token_ids) > _MOST_TOKENS:
            yield from scorer.score(block, task, members)
            block, n_tokens = [], 0
        block.append(text)
        n_tokens += len(text.token_ids)
    if block:
        yield from scorer.score(block, task, members)
