"""Sums over scored tokens, and figures computed from them (docs/measures.md)."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np


class ExactSum:
    """The sum of many numbers as math.fsum gives it, without keeping them all."""

    def __init__(self) -> None:
        self._parts: list[float] = []  # add up to the sum, without rounding

    def add(self, values: np.ndarray[Any, Any]) -> None:
        """Add values [n] float64."""
        rest = [*self._parts, *values.tolist()]
        self._parts = []
        while (part := math.fsum(rest)) != 0:
            self._parts.append(part)
            rest.append(-part)

    def value(self) -> float:
        """The sum, rounded once."""
        return math.fsum(self._parts)


@dataclass(frozen=True)
class Totals:
    """Sums over scored tokens; nll in nats. Totals can be added with +.

    n_correct: the tokens of rank 0, than which the model found none more likely.
    """

    nll: float = 0.0
    nll_squared: float = 0.0
    n_tokens: int = 0
    n_bytes: int = 0
    n_words: int = 0
    n_correct: int = 0

    def __add__(self, other: Totals) -> Totals:
        """The sums over the tokens of both."""
        return Totals(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def perplexity(self) -> float | None:
        """exp(nll / n_tokens). None if there are no tokens, or on overflow."""
        return _exp(self.nll / self.n_tokens) if self.n_tokens else None

    @property
    def bits_per_byte(self) -> float | None:
        """nll / ln 2 / n_bytes. None if there are no bytes."""
        return self.nll / math.log(2) / self.n_bytes if self.n_bytes else None

    @property
    def stderr(self) -> float | None:
        """The standard error of the perplexity: perplexity * s / sqrt(n).

        s is the sample standard deviation of the nlls, with n - 1. None if n < 2, or on overflow.
        """
        n, perplexity = self.n_tokens, self.perplexity
        if n < 2 or not perplexity:
            return None
        variance = max(0.0, self.nll_squared / n - (self.nll / n) ** 2)
        return perplexity * math.sqrt(variance / (n - 1))

    @property
    def accuracy(self) -> float | None:
        """n_correct / n_tokens: the share of tokens of rank 0. None if there are no tokens."""
        return self.n_correct / self.n_tokens if self.n_tokens else None

    def figures(self) -> dict[str, float | int | None]:
        """The figures of a record. Undefined ones are None."""
        return {
            "nll": self.nll,
            "mean_nll": self.nll / self.n_tokens if self.n_tokens else None,
            "n_tokens": self.n_tokens,
            "n_bytes": self.n_bytes,
            "n_words": self.n_words,
            "perplexity": self.perplexity,
            "bits_per_byte": self.bits_per_byte,
            "byte_perplexity": _exp(self.nll / self.n_bytes) if self.n_bytes else None,
            "word_perplexity": _exp(self.nll / self.n_words) if self.n_words else None,
            "stderr": self.stderr,
            "n_correct": self.n_correct,
            "accuracy": self.accuracy,
        }


def _exp(x: float) -> float | None:
    """exp(x), or None on overflow, because JSON has no infinity."""
    return math.exp(x) if x < 709 else None
