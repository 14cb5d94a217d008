"""How one text will be scored: its tokens, the windows over them, and the passes to run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pythia_cli.engine.scored_text import ScoredText
from pythia_cli.engine.scores import Scores
from pythia_cli.engine.targets import TargetedText, targeted
from pythia_cli.engine.windows import Window
from pythia_cli.errors import IntegrityError
from pythia_cli.text.tokenizer import Encoded


@dataclass(frozen=True, repr=False)
class TextPlan:
    """A tokenized text and the windows in which it is scored.

    bos: the id of a token before the text, over which windows then count too; None where there is
    none. chunk_bos: the id that takes the place of each window's first token (llama.cpp).
    """

    text: str
    encoded: Encoded
    windows: Sequence[Window]
    bos: int | None = None
    chunk_bos: int | None = None

    @property
    def n_tokens(self) -> int:
        """Of the text."""
        return len(self.encoded.token_ids)

    @property
    def n_scored(self) -> int:
        """How many tokens are scored."""
        return sum(window.end - window.first for window in self.windows)

    def passes(self) -> Iterator[TargetedText]:
        """What is run, one window after the other."""
        sequence = self.encoded.token_ids
        if self.bos is not None:
            sequence = np.concatenate([[self.bos], sequence])
        for window in self.windows:
            inputs = sequence[window.begin : window.end - 1]
            if self.chunk_bos is not None:
                inputs = np.concatenate([[self.chunk_bos], inputs[1:]])
            yield targeted(inputs, sequence[window.first : window.end])

    def scored(self, scores: Iterable[Scores]) -> ScoredText:
        """The text with the scores of its passes, which are taken from `scores` in order.

        Raises IntegrityError where the model's numbers are not finite.
        """
        n, shift = self.n_tokens, int(self.bos is not None)
        nll, entropy = np.full(n, np.nan), np.full(n, np.nan)
        rank = np.full(n, -1, np.int64)
        # The windows come first in zip: it then takes no score that belongs to the next text.
        for window, found in zip(self.windows, scores, strict=False):
            if not np.isfinite(found.nll + found.entropy).all():
                raise IntegrityError("model", "it gave NaN; the checkpoint may be damaged")
            place = slice(window.first - shift, window.end - shift)
            nll[place], entropy[place], rank[place] = found
        return ScoredText(
            self.text, self.encoded.token_ids, self.encoded.n_bytes, nll, entropy, rank
        )
