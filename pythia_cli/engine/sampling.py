"""Draws the next token from logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pythia_cli.engine.checks import check_number, check_whole
from pythia_cli.errors import PythiaError
from pythia_cli.kernels import compiled

_FEW = 1024


@dataclass(frozen=True)
class SamplingOptions:
    """The filters, applied in this order. The defaults change nothing.

    1. repetition_penalty r: of tokens that already occur, positive logits are divided by r, and
       negative ones multiplied by it (Keskar et al. 2019).
    2. temperature: logits are divided by it. 0: the largest logit is chosen, and we are done.
    3. Softmax over the whole vocabulary. Then ids that the tokenizer does not have are removed.
    4. top_k: keep the k most probable tokens; 0 keeps all.
    5. top_p: keep the fewest most probable tokens that together have at least this share of the
       probability (Holtzman et al. 2020). The total is that of the whole vocabulary or, with
       top_k, of the tokens that it kept.
    6. min_p: keep tokens with at least this fraction of the largest probability.
    7. Draw one token, in proportion to its probability.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        """Raises InvalidValue for a value out of range."""
        check_number(
            "temperature", self.temperature, lambda x: 0 <= x < np.inf, "0 or more, and finite"
        )
        check_whole("top_k", self.top_k, 0)
        check_number("top_p", self.top_p, lambda x: 0 < x <= 1, "above 0 and at most 1")
        check_number("min_p", self.min_p, lambda x: 0 <= x <= 1, "from 0 to 1")
        check_number(
            "repetition_penalty",
            self.repetition_penalty,
            lambda x: 0.01 <= x <= 100,
            "from 0.01 to 100",
        )


class Sampler:
    """Draws tokens from the first n_tokens ids, with `options` and a random generator.

    missing: ids below n_tokens that stand for no token; they are never drawn.
    """

    def __init__(
        self,
        options: SamplingOptions,
        n_tokens: int,
        generator: np.random.Generator,
        missing: np.ndarray[Any, Any] | None = None,
    ) -> None:
        self._options = options
        self._n_tokens = n_tokens
        self._generator = generator
        self._missing = np.empty(0, np.int64) if missing is None else missing

    def sample(self, logits: np.ndarray[Any, Any], seen: list[int]) -> int:
        """Draw the next token id from logits [d_vocab]. seen: all tokens so far, with the prompt.

        Raises PythiaError if the logits are not finite.
        """
        if not np.isfinite(logits.sum(dtype=np.float64)):
            raise PythiaError("the model's logits are not finite: the checkpoint may be damaged")
        options = self._options
        logits = self._penalised(logits, seen)
        if options.temperature == 0:
            if self._missing.size:
                logits = logits.copy()
                logits[self._missing] = -np.inf
            return int(np.argmax(logits[: self._n_tokens]))
        # Not normalised: the filters compare with the total over the whole vocabulary.
        weights = np.empty(self._n_tokens, np.float32)
        factor = np.float32(min(1 / options.temperature, 1e38))
        sum_of_weights = np.empty(1)
        compiled.call(
            "exponentials",
            logits=logits[: self._n_tokens], factor=float(factor), out=weights,
            total=sum_of_weights,
        )  # fmt: skip
        total = float(sum_of_weights[0]) + _padding(logits, self._n_tokens, float(factor))
        weights[self._missing] = 0
        ids = _kept(weights, total, options)
        if ids is None:
            return self._drawn(weights)
        return int(ids[self._drawn(weights[ids])])

    def _drawn(self, weights: np.ndarray[Any, Any]) -> int:
        index = np.empty(1, np.int64)
        compiled.call("draw", weights=weights, fraction=self._generator.random(), drawn=index)
        return int(index[0])

    def _penalised(self, logits: np.ndarray[Any, Any], seen: list[int]) -> np.ndarray[Any, Any]:
        penalty = np.float32(self._options.repetition_penalty)
        if penalty == 1 or not seen:
            return logits
        logits = logits.copy()
        ids = np.unique(seen)
        values = logits[ids]
        logits[ids] = np.where(values > 0, values / penalty, values * penalty)
        return logits


def _padding(logits: np.ndarray[Any, Any], n_tokens: int, factor: float) -> float:
    """The sum of exponentials of the ids from n_tokens on; may be infinite."""
    beyond = logits[n_tokens:].astype(np.float64) - np.float64(logits[:n_tokens].max())
    with np.errstate(over="ignore"):
        return float(np.exp(beyond * factor).sum())


def _kept(
    weights: np.ndarray[Any, Any], total: float, options: SamplingOptions
) -> np.ndarray[Any, Any] | None:
    """The ids that the filters keep, ascending; None is all. Of equal weights, keeps lower ids."""
    ids = None
    if 0 < options.top_k < len(weights):
        ids = largest_ids(weights, options.top_k)
        total = weights[ids].sum(dtype=np.float64)
    if options.top_p < 1:
        ids = _nucleus(weights, ids, options.top_p * total)
    if options.min_p > 0:
        kept = np.arange(len(weights)) if ids is None else ids
        largest = np.float64(weights[kept].max())
        ids = kept[weights[kept] >= options.min_p * largest]
    return ids


def largest_ids(weights: np.ndarray[Any, Any], n: int) -> np.ndarray[Any, Any]:
    """The ids of the n largest weights, ascending."""
    least = np.partition(weights, -n)[-n]
    above, equal = np.flatnonzero(weights > least), np.flatnonzero(weights == least)
    return np.sort(np.concatenate([above, equal[: n - len(above)]]))


def _nucleus(
    weights: np.ndarray[Any, Any], ids: np.ndarray[Any, Any] | None, needed: float
) -> np.ndarray[Any, Any]:
    """The fewest of `ids` (None: all), largest first, that add up to `needed`; ascending."""
    if ids is None:
        # Usually a few hundred are enough, so try without sorting all.
        few = largest_ids(weights, _FEW) if len(weights) > _FEW else np.arange(len(weights))
        if len(few) < len(weights) and weights[few].sum(dtype=np.float64) < needed:
            few = np.arange(len(weights))
        ids = few
    order = ids[np.argsort(-weights[ids], kind="stable")]
    cumulative = np.cumsum(weights[order], dtype=np.float64)
    # A sum that is too small only by rounding counts as reached.
    n_kept = int(np.searchsorted(cumulative, needed * (1 - 1e-12), side="left")) + 1
    return np.sort(order[:n_kept])
