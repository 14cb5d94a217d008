"""A text with the scores of its tokens."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from pythia_cli.engine.totals import Totals
from pythia_cli.engine.words import count_covered
from pythia_cli.text.spelling import spelled
from pythia_cli.text.tokenizer import PythiaTokenizer


@dataclass(frozen=True, repr=False, eq=False)
class ScoredText:
    """A text, its tokens, and their scores.

    Of a text that was given as token ids, bytes that are not UTF-8 are lone surrogates in `text`.
    token_ids [n] int64. n_bytes [n] int64: the number of UTF-8 bytes that each token covers; they
    add up to the text's. nll [n] and entropy [n] float64, in nats; NaN for tokens that were not
    scored. rank [n] int64: the number of tokens that the model found more likely; 0 is its first
    choice, -1 was not scored. set_logprob [n] float64: log of the probability, at each token, of a
    set of tokens, in nats; None if no set was given.
    """

    text: str
    token_ids: np.ndarray[Any, Any]
    n_bytes: np.ndarray[Any, Any]
    nll: np.ndarray[Any, Any]
    entropy: np.ndarray[Any, Any]
    rank: np.ndarray[Any, Any]
    set_logprob: np.ndarray[Any, Any] | None = None

    def __repr__(self) -> str:
        n, n_scored = len(self.token_ids), int(self.is_scored.sum())
        return f"ScoredText({n} tokens, {n_scored} scored, nll {float(np.nansum(self.nll)):.4f})"

    @cached_property
    def data(self) -> bytes:
        """The text in UTF-8; what was given as ids may have bytes that are not."""
        return self.text.encode(errors="surrogateescape")

    @property
    def is_scored(self) -> np.ndarray[Any, Any]:
        """[n] bool: which tokens were scored."""
        return self.rank >= 0

    @cached_property
    def totals(self) -> Totals:
        """Sums over the scored tokens, with the bytes and words that they cover."""
        n_bytes, n_words = count_covered(
            self.data,
            _runs(self.is_scored),
            lambda begin, end: int(self.n_bytes[begin:end].sum()),
        )
        nll = self.nll[self.is_scored]
        return Totals(
            nll=math.fsum(nll),
            nll_squared=math.fsum(nll**2),
            n_tokens=len(nll),
            n_bytes=n_bytes,
            n_words=n_words,
            n_correct=int((self.rank == 0).sum()),
        )

    @property
    def perplexity(self) -> float | None:
        """exp of the mean nll of the scored tokens. None if there are none, or on overflow."""
        return self.totals.perplexity

    @property
    def bits_per_byte(self) -> float | None:
        """nll in bits per byte covered by the scored tokens. None if there are no bytes."""
        return self.totals.bits_per_byte

    def tokens(self, tokenizer: PythiaTokenizer) -> Iterator[dict[str, Any]]:
        """For JSON: yield one record per token, with the fields of docs/output.md."""
        columns = (self.token_ids, self.n_bytes, self.nll, self.entropy, self.rank)
        for token_id, n_bytes, nll, entropy, rank in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            scored = rank >= 0
            yield {
                "token_id": token_id,
                "text": spelled(tokenizer.token_bytes(token_id)),
                "n_bytes": n_bytes,
                "nll": nll if scored else None,
                "entropy": entropy if scored else None,
                "rank": rank if scored else None,
            }

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the text, a list per column (None for tokens not scored), and the figures."""

        def known(values: np.ndarray[Any, Any]) -> list[Any]:
            pairs = zip(values.tolist(), self.is_scored.tolist(), strict=True)
            return [value if scored else None for value, scored in pairs]

        return {
            "text": self.text,
            "token_ids": self.token_ids.tolist(),
            "n_bytes": self.n_bytes.tolist(),
            "nll": known(self.nll),
            "entropy": known(self.entropy),
            "rank": known(self.rank),
            "figures": self.totals.figures(),
        }


def _runs(mask: np.ndarray[Any, Any]) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
