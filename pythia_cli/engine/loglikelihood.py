"""log p(continuation | context), tokenized as in lm-evaluation-harness."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np

from pythia_cli.engine.checks import check_text
from pythia_cli.engine.scorer import Scorer
from pythia_cli.engine.targets import targeted
from pythia_cli.errors import UsageError
from pythia_cli.reporting import NO_TASK
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


def loglikelihood(scorer: Scorer, pair: TokenPair, n_ctx: int) -> Loglikelihood:
    """Score the continuation's tokens. Raises UsageError if both together do not fit n_ctx."""
    n, m = len(pair.context), len(pair.continuation)
    if m == 0:
        return Loglikelihood(0.0, is_greedy=True, n_tokens=0)
    if n + m - 1 > n_ctx:
        raise UsageError(
            f"context and continuation have {n + m} tokens; the model takes {n_ctx + 1}"
        )
    token_ids = np.concatenate([pair.context, pair.continuation[:-1]])
    (scores,) = scorer.score([targeted(token_ids, pair.continuation)], NO_TASK)
    return Loglikelihood(-float(scores.nll.sum()), bool((scores.rank == 0).all()), m)
