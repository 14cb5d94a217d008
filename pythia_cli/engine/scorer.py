"""Scoring with either model: the int8 engine, or the float32 reference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from pythia_cli.engine.kv_cache import KVCache
from pythia_cli.engine.scored_text import ScoredText
from pythia_cli.engine.scores import Scores
from pythia_cli.engine.text_plan import ScoringPass, TextPlan
from pythia_cli.engine.transformer import Transformer
from pythia_cli.reporting import Task

if TYPE_CHECKING:  # torch takes a second to import
    from pythia_cli.engine.reference import Reference


class Scorer(Protocol):
    """Rates targets; every pass starts from an empty cache."""

    def score(self, passes: Sequence[ScoringPass], task: Task) -> Iterable[Scores]:
        """The scores of each pass's targets, in order. `task` advances by scored tokens."""


class Int8Scorer:
    """By the int8 engine. Short passes share a run over the weights; each has the bits of alone."""

    def __init__(self, transformer: Transformer) -> None:
        self._transformer = transformer
        self._cache: KVCache | None = None

    def score(self, passes: Sequence[ScoringPass], task: Task) -> Iterator[Scores]:
        """As Scorer.score."""
        for token_ids, targets in passes:
            yield self._transformer.score(token_ids, targets, self._empty_cache(len(token_ids)))
            task.advance(len(targets))

    def _empty_cache(self, n_tokens: int) -> KVCache:
        """One with room for n_tokens; kept, as making one takes time."""
        if self._cache is None or self._cache.capacity < n_tokens:
            self._cache = self._transformer.new_cache(n_tokens)
        self._cache.truncate(0)
        return self._cache


class Float32Scorer:
    """By the plain float32 reference, pass by pass."""

    def __init__(self, reference: Reference) -> None:
        self.reference = reference

    def score(self, passes: Sequence[ScoringPass], task: Task) -> Iterator[Scores]:
        """As Scorer.score."""
        for token_ids, targets in passes:
            yield self.reference.score(token_ids, targets)
            task.advance(len(targets))


def score_plans(plans: Sequence[TextPlan], scorer: Scorer, task: Task) -> list[ScoredText]:
    """Score several texts. Raises IntegrityError where the model's numbers are not finite."""
    passes = [one for plan in plans for one in plan.passes()]
    scores = iter(scorer.score(passes, task))
    return [plan.scored(scores) for plan in plans]
