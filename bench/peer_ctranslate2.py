"""CTranslate2 in int8. Its loops are in C++: no Python runs between tokens.

    python bench/peer_ctranslate2.py MODEL THREADS     # one token, for the cold start

MODEL is a converted folder, with tokenizer.json.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import ctranslate2
import numpy as np
from peer_worker import LATE, N_DECODE, N_LATE, N_PROMPT, N_WINDOW, rate, sentences, tokens

PROMPT = "Call me"
BATCH_TOKENS = 1024


class Engine:
    def __init__(self, model: str, n_threads: int) -> None:
        self._folder = Path(model)
        self._generator = ctranslate2.Generator(
            model, device="cpu", compute_type="int8", inter_threads=1, intra_threads=n_threads
        )

    def versions(self) -> dict[str, str]:
        return {name: version(name) for name in ("ctranslate2", "numpy")}

    def first_token(self, prompt: str) -> int:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        result = self._generator.generate_batch(
            [tokenizer.encode(prompt).tokens],
            max_length=1,
            sampling_topk=1,
            include_prompt_in_result=False,
        )
        return int(result[0].sequences_ids[0][0])

    def logits(self, window: list[int]) -> np.ndarray:
        return np.array(self._generator.forward_batch([window]))[0]

    def _words(self, n: int) -> list[str]:
        return self._words_of(tokens(n))

    def _words_of(self, ids: list[int]) -> list[str]:
        if not hasattr(self, "_vocabulary"):
            self._vocabulary = json.loads((self._folder / "vocabulary.json").read_text())
        return [self._vocabulary[i] for i in ids]

    def _seconds(self, prompt: list[str], n: int, static: list[str] | None = None) -> float:
        """Seconds for n greedy tokens after a prompt."""
        started = time.perf_counter()
        self._generator.generate_batch(
            [prompt],
            static_prompt=static,
            cache_static_prompt=True,
            max_length=n,
            min_length=n,
            sampling_topk=1,
            include_prompt_in_result=False,
            end_token=[],
        )
        return time.perf_counter() - started

    def decode(self) -> float:
        """The call includes the prompt, so the time for one token is subtracted."""
        prompt = self._words(N_PROMPT)
        first = self._seconds(prompt, 1)
        return N_DECODE / (self._seconds(prompt, 1 + N_DECODE) - first)

    def decode_1900(self) -> float:
        """CTranslate2 caches the prompt's keys and values; the time to load them is subtracted."""
        words = self._words(LATE)
        early, last = words[:-1], words[-1:]
        self._seconds(last, 1, early)
        first = self._seconds(last, 1, early)
        return N_LATE / (self._seconds(last, 1 + N_LATE, early) - first)

    def score_512(self) -> float:
        """score_batch returns the nll; forward_batch, which returns the logits, is as fast."""
        words = self._words(N_WINDOW + 1)
        return rate(N_WINDOW, lambda: self._generator.score_batch([words]))

    def short_texts(self) -> float:
        """score_batch puts texts of about the same length together; this size is the fastest."""
        texts = [self._words_of(ids) for ids in sentences()]
        options = {"max_batch_size": BATCH_TOKENS, "batch_type": "tokens"}
        return rate(len(texts), lambda: self._generator.score_batch(texts, **options))

    def prefill_512(self) -> float:
        """Time for one new token, because only this call skips the logits of the prompt."""
        words = self._words(N_WINDOW)
        return rate(N_WINDOW, lambda: self._seconds(words, 1))


if __name__ == "__main__":
    print(Engine(sys.argv[1], int(sys.argv[2])).first_token(PROMPT))
