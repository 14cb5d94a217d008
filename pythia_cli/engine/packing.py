"""Many short texts scored in few passes, each with the bits that it has alone.

Texts that begin alike form a chain, one after another in one row of the cache: what a text shares
with the one before it is not run again. Chains that fit a pass go together, row by row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pythia_cli.engine.forward_pass import CHUNK
from pythia_cli.engine.kv_cache import KVCache
from pythia_cli.engine.scores import Scores
from pythia_cli.engine.targets import NO_TARGET, TargetedText
from pythia_cli.engine.transformer import Transformer
from pythia_cli.errors import UsageError
from pythia_cli.reporting import Task

_MOST_POSITIONS = 512
"""Positions in the cache of a pass, those that its shorter texts leave empty among them."""

_LEAST_SHARED = 4
"""Tokens that two texts must share to form a chain: less is not worth waiting for each other."""

_MOST_IN_CHAIN = 8
"""Texts of a chain, which run one after another: of many that begin alike, most go side by side."""


class _Turn(NamedTuple):
    """A text of a chain, by its index, and the tokens of it that are run: start..end.

    Those before `start` are in the cache already: the text before it in the chain has them too.
    """

    text: int
    start: int
    end: int


_Chain = list[_Turn]


def score_packed(
    model: Transformer, texts: Sequence[TargetedText], task: Task | None = None
) -> list[Scores]:
    """The scores of each text's targets, in the order of the texts. `task` advances by targets.

    Raises UsageError, before anything is run, where a text is empty or longer than the context, has
    an id that the model does not have, or not as many targets as tokens.
    """
    texts = [TargetedText(*(np.ascontiguousarray(part, np.int64) for part in t)) for t in texts]
    for text in texts:
        _check(model, text)
    found: dict[int, Scores] = {}
    caches: list[KVCache] = []
    task = task or Task()
    for group in _groups(_chains(texts)):
        caches = _empty_caches(model, caches, max(map(_longest, group)))
        for turns in _steps(group, caches):
            scores = _scored(model, texts, found, turns)
            found.update(scores)
            task.advance(sum(len(own.nll) for own in scores.values()))
    return [found[i] for i in range(len(texts))]


def _check(model: Transformer, text: TargetedText) -> None:
    n, n_targets, n_ctx = len(text.token_ids), len(text.targets), model.config.n_ctx
    if n > n_ctx:
        raise UsageError(f"a text of {n} tokens does not fit the model's context of {n_ctx}")
    if n != n_targets:
        raise UsageError(f"a text of {n} tokens has {n_targets} targets")
    model.check_ids(text.token_ids)
    model.check_targets(text.targets)


def _chains(texts: Sequence[TargetedText]) -> list[_Chain]:
    """All texts, those that begin alike one after another."""
    chains: list[_Chain] = []
    for i in sorted(range(len(texts)), key=lambda i: texts[i].token_ids.tobytes()):
        start = 0
        if chains and len(chains[-1]) < _MOST_IN_CHAIN:
            start = _n_shared(texts[chains[-1][-1].text], texts[i])
        if start < _LEAST_SHARED:
            chains.append([])
            start = 0
        chains[-1].append(_Turn(i, start, len(texts[i].token_ids)))
    return chains


def _n_shared(before: TargetedText, text: TargetedText) -> int:
    """How many tokens of a text need not be run behind another: they and their targets are alike.

    At least one is run.
    """
    n = min(len(before.token_ids), len(text.token_ids))
    unlike = before.token_ids[:n] != text.token_ids[:n]
    unlike |= before.targets[:n] != text.targets[:n]
    return min(int(unlike.argmax()) if unlike.any() else n, len(text.token_ids) - 1)


def _longest(chain: _Chain) -> int:
    return max(turn.end for turn in chain)


def _groups(chains: list[_Chain]) -> Iterator[list[_Chain]]:
    """Chains that run side by side: of like numbers of texts and lengths, so that passes are full.

    In each pass at most CHUNK tokens and _MOST_POSITIONS of the cache; a chain alone may have more.
    """
    group: list[_Chain] = []
    n_tokens = [0] * _MOST_IN_CHAIN
    longest = 0
    for chain in sorted(chains, key=lambda chain: (len(chain), _longest(chain))):
        n_new = [turn.end - turn.start for turn in chain] + [0] * (_MOST_IN_CHAIN - len(chain))
        n_positions = (len(group) + 1) * KVCache.padded(max(longest, _longest(chain)))
        too_many = max(a + b for a, b in zip(n_tokens, n_new, strict=True)) > CHUNK
        if group and (too_many or n_positions > _MOST_POSITIONS):
            yield group
            group, n_tokens, longest = [], [0] * _MOST_IN_CHAIN, 0
        group.append(chain)
        n_tokens = [a + b for a, b in zip(n_tokens, n_new, strict=True)]
        longest = max(longest, _longest(chain))
    if group:
        yield group


_Place = tuple[KVCache, "int | None", _Turn]
"""A turn with the cache of its chain, and the text before it."""


def _steps(group: list[_Chain], caches: list[KVCache]) -> Iterator[list[_Place]]:
    """The turns that run together: the first of each chain, then the second of each, and so on."""
    for step in range(max(map(len, group))):
        yield [
            (cache, chain[step - 1].text if step else None, chain[step])
            for chain, cache in zip(group, caches, strict=False)
            if step < len(chain)
        ]


def _scored(
    model: Transformer,
    texts: Sequence[TargetedText],
    found: dict[int, Scores],
    places: list[_Place],
) -> dict[int, Scores]:
    """Run these turns, and give the scores of their texts by index."""
    for cache, _, turn in places:
        cache.truncate(turn.start)
    caches = [cache for cache, _, _ in places]
    ids = [texts[turn.text].token_ids[turn.start :] for _, _, turn in places]
    targets = [texts[turn.text].targets[turn.start :] for _, _, turn in places]
    if len(places) == 1:  # it may be longer than a pass
        scores = [model.score(ids[0], targets[0], caches[0])]
    else:
        scores = model.score_together(ids, targets, caches)
    return {
        turn.text: own if before is None else _joined(found[before], texts[turn.text], turn, own)
        for (_, before, turn), own in zip(places, scores, strict=True)
    }


def _joined(before: Scores, text: TargetedText, turn: _Turn, own: Scores) -> Scores:
    """The scores of a text: of what it shares with the one before it, then its own."""
    n = np.count_nonzero(text.targets[: turn.start] != NO_TARGET)
    return Scores(*(np.concatenate([a[:n], b]) for a, b in zip(before, own, strict=True)))


def _empty_caches(model: Transformer, caches: list[KVCache], longest: int) -> list[KVCache]:
    """Caches for a group: those of the one before where they fit."""
    capacity = KVCache.padded(longest)
    if not caches or caches[0].capacity != capacity:
        caches.clear()  # so that the memory of both is not held at once
        return KVCache.together(model.config, capacity, max(1, _MOST_POSITIONS // capacity))
    for cache in caches:
        cache.truncate(0)
    return caches
