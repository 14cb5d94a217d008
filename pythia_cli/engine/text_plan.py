"""The plan of scoring a text: its tokens and the windows over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pythia_cli.engine.scored_text import ScoredText
from pythia_cli.engine.scores import Scores
from pythia_cli.engine.targets import TargetedText, targeted
from pythia_cli.engine.windows import Window, stride_windows
from pythia_cli.errors import IntegrityError
from pythia_cli.text.tokenizer import Encoded, PythiaTokenizer


@dataclass(frozen=True, repr=False)
class TextPlan:
    """A tokenized text and the windows in which it is scored.

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
        return len(self.encoded.token_ids)

    @property
    def n_scored(self) -> int:
        """The number of tokens that are scored."""
        return sum(window.end - window.first for window in self.windows)

    def passes(self) -> Iterator[TargetedText]:
        """Yield the tokens to run and their targets, window by window."""
        sequence = self.encoded.token_ids
        if self.bos is not None:
            sequence = np.concatenate([[self.bos], sequence])
        for window in self.windows:
            inputs = sequence[window.begin : window.end - 1]
            if self.chunk_bos is not None:
                inputs = np.concatenate([[self.chunk_bos], inputs[1:]])
            yield targeted(inputs, sequence[window.first : window.end])

    def scored(self, scores: Iterable[Scores]) -> ScoredText:
        """The text with its scores. Takes the next scores from `scores`, one for each window.

        Raises IntegrityError if they are not finite.
        """
        n, shift = self.n_tokens, int(self.bos is not None)
        nll, entropy = np.full(n, np.nan), np.full(n, np.nan)
        rank = np.full(n, -1, np.int64)
        # windows must come first in zip: else it would take one score of the next text and drop it.
        for window, found in zip(self.windows, scores, strict=False):
            if not np.isfinite(found.nll + found.entropy).all():
                raise IntegrityError("model", "it gave NaN; the checkpoint may be damaged")
            place = slice(window.first - shift, window.end - shift)
            nll[place], entropy[place], rank[place] = found
        return ScoredText(
            self.text, self.encoded.token_ids, self.encoded.n_bytes, nll, entropy, rank
        )


def stride_plan(
    text: str, tokenizer: PythiaTokenizer, context: int, stride: int, *, bos: bool
) -> TextPlan:
    """The plan of the `stride` protocol: windows of `context` tokens, `stride` tokens apart."""
    encoded = tokenizer.encode_covering(text)
    windows = list(stride_windows(len(encoded.token_ids) + bos, context, stride))
    return TextPlan(text, encoded, windows, bos=tokenizer.end_of_text if bos else None)
