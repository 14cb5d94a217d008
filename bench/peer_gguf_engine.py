"""The figures of an engine that reads GGUF, from a few functions of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from peer_worker import LATE, N_DECODE, N_LATE, N_PROMPT, N_WINDOW, rate, sentences, tokens

N_CTX, N_BATCH, MOST_TEXTS = 2048, 512, 64


class GGUFEngine(ABC):
    @abstractmethod
    def run(self, ids: list[int], positions: list[int], texts: list[int], n_rows: int) -> None:
        """Append up to N_BATCH tokens of some texts; logits are wanted for the last n_rows."""

    @abstractmethod
    def rows(self, n: int) -> np.ndarray:
        """The logits [n, d_vocab] of the last `run`, valid until the next one."""

    @abstractmethod
    def forget(self) -> None:
        """Remove all texts from the context."""

    @abstractmethod
    def many_texts(self) -> GGUFEngine:
        """An engine whose context has room for MOST_TEXTS texts."""

    def evaluate(self, ids: list[int], start: int, n_rows: int) -> np.ndarray:
        """Append up to N_BATCH tokens of one text; the last n_rows of logits."""
        self.run(ids, list(range(start, start + len(ids))), [0] * len(ids), n_rows)
        return self.rows(n_rows)

    def logits(self, window: list[int]) -> np.ndarray:
        self.forget()
        return self.evaluate(window, 0, len(window)).copy()

    def _decode_from(self, position: int, n: int) -> float:
        prompt = tokens(position)
        self.forget()
        for at in range(0, position, N_BATCH):
            row = self.evaluate(prompt[at : at + N_BATCH], at, 1)
        token = int(row[-1].argmax())

        def work() -> None:
            following = token
            for i in range(n):
                following = int(self.evaluate([following], position + i, 1)[-1].argmax())

        return rate(n, work)

    def decode(self) -> float:
        return self._decode_from(N_PROMPT, N_DECODE)

    def decode_1900(self) -> float:
        return self._decode_from(LATE, N_LATE)

    def score_512(self) -> float:
        """Logits at every position, without nll, entropy and rank: less work than ours."""
        self.forget()
        return rate(N_WINDOW, lambda: self.evaluate(tokens(N_WINDOW), 0, N_WINDOW))

    def prefill_512(self) -> float:
        self.forget()
        return rate(N_WINDOW, lambda: self.evaluate(tokens(N_WINDOW), 0, 1))

    def short_texts(self) -> float:
        """As many parallel sequences as fit a batch; logits at every position, without nll."""
        together, texts = self.many_texts(), sentences()

        def work() -> None:
            at = 0
            while at < len(texts):
                together.forget()
                at += together.score_together(texts[at : at + MOST_TEXTS])

        return rate(len(texts), work)

    def score_together(self, texts: list[list[int]]) -> int:
        """Run the first texts that fit a batch. Returns their number."""
        ids: list[int] = []
        positions: list[int] = []
        of: list[int] = []
        n = 0
        for text in texts:
            if len(ids) + len(text) > N_BATCH:
                break
            ids += text
            positions += range(len(text))
            of += [n] * len(text)
            n += 1
        self.run(ids, positions, of, len(ids))
        self.rows(len(ids))
        return n
