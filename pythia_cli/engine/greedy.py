"""Greedy decoding of many rows of tokens, beside the continuations that they really have.

Up to the first token at which both differ, greedy decoding reads the true tokens. So one pass over
the true tokens decodes as far as that, and only what comes behind is decoded token by token.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from pythia_cli.engine.forward_pass import CHUNK
from pythia_cli.engine.kv_cache import KVCache
from pythia_cli.engine.scorer import Scorer
from pythia_cli.engine.scores import score_logits
from pythia_cli.engine.targets import NO_TARGET
from pythia_cli.engine.transformer import Transformer
from pythia_cli.errors import UsageError
from pythia_cli.reporting import NO_TASK, Task


class GreedyPath(NamedTuple):
    """Greedy decoding after a prompt, and the nll of the m tokens that really follow.

    token_ids [k] int64: the choices. margins [k] float32: the largest logit at each, less the
    second largest. nll [m] float64, in nats: of each true token, given the true tokens before it.
    k = m, or up to and with the first token that differs from the true one.
    """

    token_ids: np.ndarray[Any, Any]
    margins: np.ndarray[Any, Any]
    nll: np.ndarray[Any, Any]


class GreedyOptions(NamedTuple):
    """n_prompt: tokens of a row before its continuation, at least one.

    until_miss: stop at the first token that differs from the true one. never: a token that is not
    chosen, or None.
    """

    n_prompt: int
    until_miss: bool = False
    never: int | None = None


def greedy_paths(
    model: Transformer,
    rows: np.ndarray[Any, Any],
    options: GreedyOptions,
    task: Task = NO_TASK,
) -> list[GreedyPath]:
    """The path of each row of token ids [n_rows, n_prompt + m].

    Of equal logits, the choice is the lowest id. `task` advances by rows. The bits do not depend on
    the other rows. Raises UsageError for ids that the model does not have, and for rows that,
    without their last token, do not fit its context.
    """
    if len(rows) == 0:
        return []
    model.check_ids(rows.reshape(-1))
    n, most = rows.shape[1], model.config.n_ctx + 1
    if not options.n_prompt < n <= most:
        raise UsageError(f"rows of {n} tokens; expected {options.n_prompt + 1} to {most}")
    found: dict[int, GreedyPath] = {}
    for index, path in _finished(model, rows, options):
        found[index] = path
        task.advance(1)
    return [found[i] for i in range(len(rows))]


def greedy_path_by_passes(
    scorer: Scorer, row: np.ndarray[Any, Any], options: GreedyOptions
) -> GreedyPath:
    """The path of one row, for a model without a cache.

    Repeats the pass, with the choices of the last one in place of the tokens behind the first that
    differs, until nothing changes. Every pass settles at least one more token (Jacobi decoding:
    Santilli et al. 2023).
    """
    n_prompt, truth = options.n_prompt, row[options.n_prompt :]
    inputs = row[:-1].copy()
    logits = scorer.logits(inputs)[n_prompt - 1 :]
    nll = score_logits(logits, truth).nll
    n_settled = 0
    while True:
        token_ids, margins = _choices(logits, options.never)
        if options.until_miss:
            k = _n_until_miss(token_ids, truth)
            return GreedyPath(token_ids[:k], margins[:k], nll)
        differs = inputs[n_prompt + n_settled :] != token_ids[n_settled:-1]
        if not differs.any():
            return GreedyPath(token_ids, margins, nll)
        first = n_settled + int(differs.argmax())
        inputs[n_prompt + first :] = token_ids[first:-1]
        n_settled = first + 1
        logits = scorer.logits(inputs)[n_prompt - 1 :]


class _GreedyRow:
    """A row in progress. `token_ids` and `margins` are what was chosen so far."""

    def __init__(self, index: int, truth: np.ndarray[Any, Any], cache: KVCache) -> None:
        self.index, self.truth, self.cache = index, truth, cache
        self.token_ids: list[int] = []
        self.margins: list[np.ndarray[Any, Any]] = []
        self.nll: list[np.ndarray[Any, Any]] = []

    def take(self, token_ids: np.ndarray[Any, Any], margins: np.ndarray[Any, Any]) -> None:
        """Add choices [k] and their margins [k]."""
        self.token_ids += token_ids.tolist()
        self.margins.append(margins)

    def cut(self, n_prompt: int) -> None:
        """Forget what was chosen behind the first miss, where the truth was read in its place."""
        k = _n_until_miss(np.array(self.token_ids), self.truth)
        self.token_ids = self.token_ids[:k]
        self.margins = [np.concatenate(self.margins)[:k]]
        self.cache.truncate(n_prompt + k - 1)

    @property
    def is_whole(self) -> bool:
        """Whether there is a choice for each true token."""
        return len(self.token_ids) == len(self.truth)

    def path(self) -> GreedyPath:
        """What was found."""
        return GreedyPath(
            np.array(self.token_ids, np.int64),
            np.concatenate(self.margins),
            np.concatenate(self.nll),
        )


def _finished(
    model: Transformer, rows: np.ndarray[Any, Any], options: GreedyOptions
) -> Iterator[tuple[int, GreedyPath]]:
    """Yield the index and the path of each row, as soon as it is finished."""
    n_inputs = rows.shape[1] - 1
    n_side_by_side = max(1, CHUNK // n_inputs)
    free = model.new_caches(n_inputs, len(rows))
    waiting = iter(enumerate(rows))
    active: list[_GreedyRow] = []
    while True:
        # A pass over the truth is made for several rows, unless no others are left.
        while len(free) >= n_side_by_side or not active:
            group = [
                _GreedyRow(index, row[options.n_prompt :], free.pop())
                for index, row in islice(waiting, min(n_side_by_side, len(free)))
            ]
            if not group:
                break
            _read_truth(model, rows, group, options)
            for row in group:
                row.cut(options.n_prompt)
                if not (row.is_whole or options.until_miss):
                    active.append(row)
                    continue
                free.append(row.cache)
                yield row.index, row.path()
        if not active:
            return
        with model.one_thread:  # until the logits are used
            logits = model.decode_together(
                [row.token_ids[-1] for row in active], [row.cache for row in active]
            )
            token_ids, margins = _choices(logits, options.never)
        for at, row in enumerate(active):
            row.take(token_ids[at : at + 1], margins[at : at + 1])
            if row.is_whole:
                free.append(row.cache)
                yield row.index, row.path()
        active = [row for row in active if not row.is_whole]


def _read_truth(
    model: Transformer,
    rows: np.ndarray[Any, Any],
    group: Sequence[_GreedyRow],
    options: GreedyOptions,
) -> None:
    """Read the rows, less their last tokens, and take what is chosen at each true token."""
    chosen = rows[[row.index for row in group]]
    ids, targets = chosen[:, :-1], chosen[:, 1:].copy()
    targets[:, : options.n_prompt - 1] = NO_TARGET
    for row in group:
        row.cache.truncate(0)
    caches = [row.cache for row in group]
    size = CHUNK // len(group)
    for lo in range(0, ids.shape[1], size):
        wanted = targets[:, lo : lo + size]
        logits = np.empty((np.count_nonzero(wanted != NO_TARGET), model.d_vocab), np.float32)
        scores = model.score_together(
            list(ids[:, lo : lo + size]), list(wanted), caches, logits=logits
        )
        token_ids, margins = _choices(logits, options.never)
        begin = 0
        for row, found in zip(group, scores, strict=True):
            part = slice(begin, begin := begin + len(found.nll))
            row.take(token_ids[part], margins[part])
            row.nll.append(found.nll)


def _choices(
    logits: np.ndarray[Any, Any], never: int | None
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The choices [m] of logits [m, d_vocab], and their margins [m]. Overwrites the logits."""
    if never is not None:
        logits[:, never] = -np.inf
    at = np.arange(len(logits))
    token_ids = logits.argmax(axis=1)  # the first of equals
    largest = logits[at, token_ids]
    logits[at, token_ids] = -np.inf
    return token_ids, largest - logits.max(axis=1)


def _n_until_miss(token_ids: np.ndarray[Any, Any], truth: np.ndarray[Any, Any]) -> int:
    """How many choices there are up to and with the first that differs from the truth."""
    differs = token_ids != truth
    return int(differs.argmax()) + 1 if differs.any() else len(truth)
