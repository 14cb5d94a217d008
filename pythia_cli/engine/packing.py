"""Many short texts scored in few passes: packed together, each with the bits that it has alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pythia_cli.engine.forward_pass import CHUNK
from pythia_cli.engine.kv_cache import KVCache
from pythia_cli.engine.scores import Scores
from pythia_cli.engine.transformer import Transformer
from pythia_cli.errors import UsageError
from pythia_cli.reporting import SILENT, Reporter

_MOST_POSITIONS = 512
"""Positions in the cache of a pass, those that its shorter texts leave empty among them."""


class TargetedText(NamedTuple):
    """A text to score: token_ids [n], and the target of each, NO_TARGET where it is not scored."""

    token_ids: np.ndarray[Any, Any]
    targets: np.ndarray[Any, Any]


def score_packed(
    model: Transformer, texts: Sequence[TargetedText], reporter: Reporter = SILENT
) -> list[Scores]:
    """The scores of each text's targets, in the order of the texts.

    Texts of up to CHUNK tokens share passes, longer ones run alone. Raises UsageError, before
    anything is run, where a text is empty or longer than the context, has an id that the model does
    not have, or not as many targets as tokens.
    """
    for text in texts:
        _check(model, text)
    lengths = [len(text.token_ids) for text in texts]
    found: dict[int, Scores] = {}
    caches: list[KVCache] = []
    with reporter.task("scoring", sum(lengths), "tokens") as task:
        for indices in _passes(lengths):
            longest = lengths[indices[-1]]
            caches = _empty_caches(model, caches, longest)
            ids = [texts[i].token_ids for i in indices]
            targets = [texts[i].targets for i in indices]
            if longest > CHUNK:
                scores = [model.score(ids[0], targets[0], caches[0])]
            else:
                scores = model.score_together(ids, targets, caches[: len(indices)])
            found.update(zip(indices, scores, strict=True))
            task.advance(sum(map(len, ids)))
    return [found[i] for i in range(len(texts))]


def _check(model: Transformer, text: TargetedText) -> None:
    n, n_targets, n_ctx = len(text.token_ids), len(text.targets), model.config.n_ctx
    if n > n_ctx:
        raise UsageError(f"a text of {n} tokens does not fit the model's context of {n_ctx}")
    if n != n_targets:
        raise UsageError(f"a text of {n} tokens has {n_targets} targets")
    model.check_ids(text.token_ids)
    model.check_targets(text.targets)


def _passes(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of the texts that run together, shortest first, so that caches are well filled."""
    indices: list[int] = []
    n_tokens = 0
    for i in sorted(range(len(lengths)), key=lengths.__getitem__):
        n_positions = (len(indices) + 1) * KVCache.padded(lengths[i])
        if indices and (n_tokens + lengths[i] > CHUNK or n_positions > _MOST_POSITIONS):
            yield indices
            indices, n_tokens = [], 0
        indices.append(i)
        n_tokens += lengths[i]
    if indices:
        yield indices


def _empty_caches(model: Transformer, caches: list[KVCache], longest: int) -> list[KVCache]:
    """Caches for a pass: those of the one before where they fit."""
    capacity = KVCache.padded(longest)
    if not caches or caches[0].capacity != capacity:
        caches.clear()  # so that the memory of both is not held at once
        return KVCache.together(model.config, capacity, max(1, _MOST_POSITIONS // capacity))
    for cache in caches:
        cache.truncate(0)
    return caches
