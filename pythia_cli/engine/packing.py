"""Scores many short texts in few passes. Each gets the same bits as if scored alone.

Texts with a common prefix form a chain. They run one after another in the same row of the cache,
so the prefix is run only once. Several chains run side by side, each in its own row, as long as
they fit in a pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from pythia_cli.engine.forward_pass import CHUNK, NO_MEMBERS
from pythia_cli.engine.kv_cache import KVCache
from pythia_cli.engine.scores import Scores
from pythia_cli.engine.targets import NO_TARGET, TargetedText
from pythia_cli.engine.transformer import Transformer
from pythia_cli.errors import UsageError
from pythia_cli.reporting import NO_TASK, Task

_MOST_POSITIONS = 512
"""The most positions in the caches of a pass, including unused ones of shorter texts."""

_LEAST_SHARED = 4
"""The shortest prefix for a chain. For a shorter one, running side by side is faster."""

_MOST_IN_CHAIN = 8
"""The most texts in a chain. They run one after another, so a long chain needs many passes."""


class _Turn(NamedTuple):
    """The index of a text in a chain, and the tokens to run: start..end.

    The tokens before `start` are already in the cache, from the previous text of the chain.
    """

    text: int
    start: int
    end: int


_Chain = list[_Turn]


def score_packed(
    model: Transformer,
    texts: Sequence[TargetedText],
    task: Task = NO_TASK,
    members: np.ndarray[Any, Any] = NO_MEMBERS,
) -> list[Scores]:
    """The scores of each text's targets, in the order of the texts. `task` advances by targets.

    members: the set whose probability is wanted, as in Transformer.score.

    Raises UsageError, before anything is run, if a text is empty or longer than the context, has
    unknown token ids, or does not have as many targets as tokens.
    """
    texts = [TargetedText(*(np.ascontiguousarray(part, np.int64) for part in t)) for t in texts]
    for text in texts:
        _check(model, text)
    found: dict[int, Scores] = {}
    caches: list[KVCache] = []
    for group in _groups(_chains(texts)):
        caches = _empty_caches(model, caches, max(map(_longest, group)))
        for turns in _steps(group, caches):
            new_scores = _scored(model, texts, found, turns, members)
            found.update(new_scores)
            task.advance(sum(len(scores.nll) for scores in new_scores.values()))
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
    """Sort the texts, and group neighbours with a common prefix into chains."""
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
    """The number of first tokens that `text` shares with `before`, targets included.

    They need not be run again. At most all but the last, as at least one token must be run.
    """
    n = min(len(before.token_ids), len(text.token_ids))
    unlike = before.token_ids[:n] != text.token_ids[:n]
    unlike |= before.targets[:n] != text.targets[:n]
    return min(int(unlike.argmax()) if unlike.any() else n, len(text.token_ids) - 1)


def _longest(chain: _Chain) -> int:
    return max(turn.end for turn in chain)


def _groups(chains: list[_Chain]) -> Iterator[list[_Chain]]:
    """Groups of chains to run side by side, of similar numbers and lengths of texts.

    Each pass has at most CHUNK tokens and _MOST_POSITIONS cache positions; a single chain may have
    more.
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
"""The cache of a chain, the index of the previous text in it (or None), and a turn."""


def _steps(group: list[_Chain], caches: list[KVCache]) -> Iterator[list[_Place]]:
    """The turns of each pass: the first of each chain, then the second of each, and so on."""
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
    members: np.ndarray[Any, Any],
) -> dict[int, Scores]:
    """Run these turns. Returns the complete scores of their texts, by index."""
    for cache, _, turn in places:
        cache.truncate(turn.start)
    caches = [cache for cache, _, _ in places]
    ids = [texts[turn.text].token_ids[turn.start :] for _, _, turn in places]
    targets = [texts[turn.text].targets[turn.start :] for _, _, turn in places]
    if len(places) == 1:  # may be longer than a pass
        scores = [model.score(ids[0], targets[0], caches[0], members)]
    else:
        scores = model.score_together(ids, targets, caches, members)
    return {
        turn.text: new if before is None else _joined(found[before], texts[turn.text], turn, new)
        for (_, before, turn), new in zip(places, scores, strict=True)
    }


def _joined(before: Scores, text: TargetedText, turn: _Turn, new: Scores) -> Scores:
    """The scores of a text: those of the prefix, from the previous text, then the new ones."""
    n = np.count_nonzero(text.targets[: turn.start] != NO_TARGET)
    return Scores(*(np.concatenate([a[:n], b]) for a, b in zip(before, new, strict=True)))


def _empty_caches(model: Transformer, caches: list[KVCache], longest: int) -> list[KVCache]:
    """Empty caches for a group. Reuses those of the previous group if their capacity fits."""
    capacity = KVCache.padded(longest)
    if not caches or caches[0].capacity != capacity:
        caches.clear()  # free the old ones before allocating
        return KVCache.together(model.config, capacity, max(1, _MOST_POSITIONS // capacity))
    for cache in caches:
        cache.truncate(0)
    return caches
