"""torch with transformers: float32, or int8 weights with dynamically quantized activations.

    python bench/peer_torch.py MODEL THREADS DTYPE     # one token, for the cold start

MODEL is a Hugging Face folder; DTYPE is float32 or int8. Eager mode, the only one for dynamic int8.
"""

from __future__ import annotations

import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peer_worker import LATE, N_PROMPT, N_WINDOW, rate, sentences, tokens
from transformers import DynamicCache, GPTNeoXForCausalLM

PROMPT = "Call me"
BATCH = 32
N_DECODE, N_LATE = 32, 8
"""Fewer than for other engines: torch is slow, and its speed varies little."""


class Engine:
    def __init__(self, model: str, n_threads: int, dtype: str) -> None:
        torch.set_num_threads(n_threads)
        self._folder = Path(model)
        network = GPTNeoXForCausalLM.from_pretrained(model, dtype=torch.float32).eval()
        if dtype == "int8":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                network = torch.ao.quantization.quantize_dynamic(
                    network, {torch.nn.Linear}, dtype=torch.qint8
                )
        self._network = network
        self._late: DynamicCache | None = None

    def versions(self) -> dict[str, str]:
        return {name: version(name) for name in ("torch", "transformers", "numpy")}

    def first_token(self, prompt: str) -> int:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._folder / "tokenizer.json"))
        return int(self._run(tokenizer.encode(prompt).ids, None, 1)[-1].argmax())

    @torch.inference_mode()
    def _run(self, ids: list[int], cache: Any, n_rows: int) -> torch.Tensor:
        """Append ids to the cache. Returns the logits of the last n_rows [n_rows, d_vocab]."""
        out = self._network(
            input_ids=torch.tensor([ids]),
            past_key_values=cache,
            use_cache=cache is not None,
            logits_to_keep=n_rows,
        )
        return out.logits[0]

    def logits(self, window: list[int]) -> np.ndarray:
        return self._run(window, None, len(window)).numpy()

    def _decode_with(self, cache: DynamicCache, token: int, n: int) -> float:
        def work() -> None:
            following = token
            for _ in range(n):
                following = int(self._run([following], cache, 1)[-1].argmax())

        return rate(n, work)

    def decode(self) -> float:
        cache = DynamicCache()
        token = int(self._run(tokens(N_PROMPT), cache, 1)[-1].argmax())
        return self._decode_with(cache, token, N_DECODE)

    def decode_1900(self) -> float:
        """The prompt is run once and kept in the cache; later rounds truncate the cache to it."""
        if self._late is None:
            self._late = DynamicCache()
            self._run(tokens(LATE), self._late, 1)
        self._late.crop(LATE)
        return self._decode_with(self._late, tokens(1)[0], N_LATE)

    def score_512(self) -> float:
        """Logits at every position, without nll, entropy and rank."""
        return rate(N_WINDOW, lambda: self._run(tokens(N_WINDOW), None, N_WINDOW))

    @torch.inference_mode()
    def short_texts(self) -> float:
        """Padded batches of texts of about the same length; the nll of all tokens."""
        texts = sorted(sentences(), key=len)

        def work() -> None:
            for at in range(0, len(texts), BATCH):
                ids = [torch.tensor(text) for text in texts[at : at + BATCH]]
                mask = torch.nn.utils.rnn.pad_sequence([torch.ones_like(i) for i in ids], True)
                padded = torch.nn.utils.rnn.pad_sequence(ids, True)
                logits = self._network(input_ids=padded, attention_mask=mask).logits[:, :-1]
                targets = padded[:, 1:, None]
                logits.gather(2, targets) - logits.logsumexp(2, keepdim=True)

        return rate(len(texts), work)

    def prefill_512(self) -> float:
        return rate(N_WINDOW, lambda: self._run(tokens(N_WINDOW), DynamicCache(), 1))


if __name__ == "__main__":
    print(Engine(sys.argv[1], int(sys.argv[2]), sys.argv[3]).first_token(PROMPT))
