"""The plan of scoring a text: its tokens and the windows over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pythia_cli.engine.scored_text import ScoredText
from pythia_cli.engine.scores import Scores, check_finite
from pythia_cli.engine.targets import TargetedText, targeted
from pythia_cli.engine.totals import ExactSum, Totals
from pythia_cli.engine.windows import Window, stride_windows
from pythia_cli.engine.words import count_covered
from pythia_cli.text.encoded import Encoded
from pythia_cli.text.tokenizer import PythiaTokenizer


@dataclass(frozen=True, repr=False, slots=True)
class TextPlan:
    """A tokenized text and the windows in which it is scored.

    text: if its tokens were given as ids, it may have lone surrogates (token_ids.spelled_text).
    bos: the id of a token before the text, or None; windows then count from that token. chunk_bos:
    an id that replaces the first token of each window, as in llama.cpp, or None.
    """

    text: str
    encoded: Encoded
    windows: Sequence[Window]
    bos: int | None = None
    chunk_bos: int | None = None

    @property
    def n_tokens(self) -> int:
        """The number of tokens of the text."""
        return len(self.encoded)

    @property
    def n_scored(self) -> int:
        """The number of tokens that are scored."""
        return sum(window.end - window.first for window in self.windows)

    def passes(self) -> Iterator[TargetedText]:
        """Yield the tokens to run and their targets, window by window."""
        for window in self.windows:
            inputs = self._sequence(window.begin, window.end - 1)
            if self.chunk_bos is not None:
                inputs[0] = self.chunk_bos
            yield targeted(inputs, self._sequence(window.first, window.end))

    def _sequence(self, begin: int, end: int) -> np.ndarray[Any, Any]:
        """Token ids begin..end of the text, or of the BOS and the text: [n] int64."""
        if self.bos is None:
            return self.encoded.ids(begin, end)
        ids = self.encoded.ids(max(0, begin - 1), end - 1)
        return ids if begin else np.concatenate([[self.bos], ids])

    def scored(self, scores: Iterable[Scores], *, with_set: bool = False) -> ScoredText:
        """The text with its scores. Takes the next scores from `scores`, one for each window.

        with_set: keep set_logprob too. Raises IntegrityError if they are not finite.
        """
        n = self.n_tokens
        nll, entropy = np.full(n, np.nan), np.full(n, np.nan)
        rank = np.full(n, -1, np.int64)
        set_logprob = np.full(n, np.nan) if with_set else None
        for begin, end, found in self._in_place(scores):
            nll[begin:end], entropy[begin:end], rank[begin:end] = found[:3]
            if set_logprob is not None:
                set_logprob[begin:end] = found.set_logprob
        token_ids, n_bytes = self.encoded.token_ids, self.encoded.n_bytes
        return ScoredText(self.text, token_ids, n_bytes, nll, entropy, rank, set_logprob)

    def totals(self, scores: Iterable[Scores]) -> Totals:
        """As `scored(scores).totals`, without keeping what is known of each token."""
        nll, squared, n_correct = ExactSum(), ExactSum(), 0
        for _, _, found in self._in_place(scores):
            nll.add(found.nll)
            squared.add(found.nll**2)
            n_correct += int((found.rank == 0).sum())
        n_bytes, n_words = count_covered(
            self.text.encode(errors="surrogateescape"),
            self._scored_runs(),
            self.encoded.bytes_between,
        )
        return Totals(nll.value(), squared.value(), self.n_scored, n_bytes, n_words, n_correct)

    def _in_place(self, scores: Iterable[Scores]) -> Iterator[tuple[int, int, Scores]]:
        """Yield begin and end of the text's tokens that each of the windows scores, and these."""
        shift = int(self.bos is not None)
        # windows must come first in zip: else it would take one score of the next text and drop it.
        for window, found in zip(self.windows, scores, strict=False):
            check_finite(found.nll, found.entropy)
            yield window.first - shift, window.end - shift, found

    def _scored_runs(self) -> Iterator[tuple[int, int]]:
        """Yield begin and end of each run of tokens of the text that are scored."""
        shift = int(self.bos is not None)
        begin = end = 0
        for window in self.windows:
            if window.first - shift != end:
                if begin < end:
                    yield begin, end
                begin = window.first - shift
            end = window.end - shift
        if begin < end:
            yield begin, end


def stride_plan(
    text: str,
    tokenizer: PythiaTokenizer,
    context: int,
    stride: int,
    *,
    bos: bool,
    encoded: Encoded | None = None,
) -> TextPlan:
    """The plan of the `stride` protocol: windows of `context` tokens, `stride` tokens apart.

    encoded: the tokens of the text, if they are known.
    """
    if encoded is None:
        encoded = tokenizer.encode_covering(text)
    windows = list(stride_windows(len(encoded) + bos, context, stride))
    return TextPlan(text, encoded, windows, bos=tokenizer.end_of_text if bos else None)
