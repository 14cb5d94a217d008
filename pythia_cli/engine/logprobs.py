"""Log-probabilities of the tokens that a model generates, and of the most probable ones."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pythia_cli.engine.sampling import largest_ids
from pythia_cli.text.spelling import spelled
from pythia_cli.text.tokenizer import PythiaTokenizer


class LikelyToken(NamedTuple):
    """A token and its log-probability in nats. Bytes that are not UTF-8 are spelled as \\xNN."""

    token_id: int
    text: str
    logprob: float


class GeneratedToken(NamedTuple):
    """A LikelyToken that was generated, and `top`: the most probable ones in its place."""

    token_id: int
    text: str
    logprob: float
    top: tuple[LikelyToken, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**self._asdict(), "top": [token._asdict() for token in self.top]}


def generated_token(
    logits: np.ndarray[Any, Any], token_id: int, n_top: int, tokenizer: PythiaTokenizer
) -> GeneratedToken:
    """What the model's own distribution, the softmax of logits [d_vocab], says of a token.

    The logits are finite. Ids that no token has count in the softmax, but are not among the n_top
    most probable; of equal ones, lower ids come first.
    """
    z = logits.astype(np.float64)
    z -= z.max()
    log_total = np.log(np.exp(z).sum())

    def likely(i: int) -> LikelyToken:
        return LikelyToken(i, spelled(tokenizer.token_bytes(i)), float(z[i] - log_total))

    known = z[: tokenizer.size].copy()
    known[tokenizer.missing] = -np.inf
    n_known = len(known) - tokenizer.missing.size
    ids = largest_ids(known, min(n_top, n_known)) if n_top else np.empty(0, np.int64)
    ranked = ids[np.argsort(-known[ids], kind="stable")]
    return GeneratedToken(*likely(token_id), tuple(likely(i) for i in ranked.tolist()))
