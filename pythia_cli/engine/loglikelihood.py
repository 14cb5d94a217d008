"""log p(continuation | context), tokenized as in lm-evaluation-harness."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from pythia_cli.engine.checks import check_text
from pythia_cli.engine.scorer import Scorer
from pythia_cli.engine.scores import Scores, check_finite
from pythia_cli.engine.targets import targeted
from pythia_cli.errors import UsageError
from pythia_cli.reporting import NO_TASK, Task
from pythia_cli.text.tokenizer import PythiaTokenizer


@dataclass(frozen=True)
class Loglikelihood:
    """log p(continuation | context) in nats; is_greedy: greedy decoding gives the continuation."""

    logprob: float
    is_greedy: bool
    n_tokens: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class TokenPair(NamedTuple):
    """Token ids of a context [n >= 1] and of its continuation [m]."""

    context: np.ndarray[Any, Any]
    continuation: np.ndarray[Any, Any]


def encode_pair(tokenizer: PythiaTokenizer, context: str, continuation: str) -> TokenPair:
    """Encode both, as `_encode_pair` of lm-evaluation-harness does.

    White space at the end of the context is moved to the continuation. Then both are encoded
    together; the continuation's tokens are those after the first n, where n is the number of tokens
    of the context alone. An empty context becomes <|endoftext|>. Raises InvalidValue if one of them
    is no text.
    """
    check_text("context", context)
    check_text("continuation", continuation)
    stripped = context.rstrip()
    continuation = context[len(stripped) :] + continuation
    if not stripped:
        end_of_text = np.array([tokenizer.end_of_text], np.int64)
        return TokenPair(end_of_text, tokenizer.encode(continuation))
    before = tokenizer.encode(stripped)
    return TokenPair(before, tokenizer.encode(stripped + continuation)[len(before) :])


def check_fits(pair: TokenPair, n_ctx: int) -> None:
    """Raises UsageError if context and continuation together do not fit n_ctx."""
    n = len(pair.context) + len(pair.continuation)
    if len(pair.continuation) and n - 1 > n_ctx:
        raise UsageError(f"context and continuation have {n} tokens; the model takes {n_ctx + 1}")


def loglikelihoods(
    scorer: Scorer, pairs: Sequence[TokenPair], task: Task = NO_TASK
) -> list[Loglikelihood]:
    """Score the continuations. What contexts have in common is run once.

    `task` advances by tokens of continuations. Each pair must fit (check_fits). Raises
    IntegrityError if the scores are not finite.
    """
    scored = [pair for pair in pairs if len(pair.continuation)]
    texts = [
        targeted(np.concatenate([pair.context, pair.continuation[:-1]]), pair.continuation)
        for pair in scored
    ]
    scores = iter(scorer.score(texts, task) if texts else [])
    return [
        _loglikelihood(next(scores)) if len(pair.continuation) else Loglikelihood(0.0, True, 0)
        for pair in pairs
    ]


def _loglikelihood(scores: Scores) -> Loglikelihood:
    check_finite(scores.nll)
    is_greedy = bool((scores.rank == 0).all())
    return Loglikelihood(-math.fsum(scores.nll), is_greedy, len(scores.nll))


def loglikelihood(scorer: Scorer, pair: TokenPair, n_ctx: int) -> Loglikelihood:
    """As loglikelihoods, of one pair. Raises UsageError if both together do not fit n_ctx."""
    check_fits(pair, n_ctx)
    (found,) = loglikelihoods(scorer, [pair])
    return found
