"""llama.cpp, called through its C interface in llama-cpp-python; no other Python of it is timed.

    python bench/peer_llama.py MODEL.gguf THREADS FLASH     # one token, for the cold start

The weights stay mapped; keys and values are float16. FLASH is 0 or 1. The benchmark runs both,
because each is faster in some cases.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import llama_cpp as llama
import numpy as np
from llama_cpp import llama_cpp as constants
from peer_worker import LATE, N_DECODE, N_LATE, N_PROMPT, N_WINDOW, rate, sentences, tokens

PROMPT = b"Call me"
N_CTX, N_BATCH, MOST_TEXTS = 2048, 512, 64


class Engine:
    def __init__(self, model: str, n_threads: int, flash: str) -> None:
        self._quiet = llama.llama_log_callback(lambda *_: None)
        llama.llama_log_set(self._quiet, ctypes.c_void_p(0))
        llama.llama_backend_init()
        options = llama.llama_model_default_params()
        options.use_mmap, options.n_gpu_layers = True, 0
        self._model = llama.llama_model_load_from_file(model.encode(), options)
        self._n_threads, self._flash = n_threads, int(flash)
        self._context = self._new_context()
        self._memory = llama.llama_get_memory(self._context)
        self._vocab = llama.llama_model_get_vocab(self._model)
        self._d_vocab = llama.llama_vocab_n_tokens(self._vocab)
        self._batch = llama.llama_batch_init(N_BATCH, 0, 1)

    def _new_context(self, n_texts: int = 1) -> Any:
        """A context for texts that run together; they share its room for keys and values."""
        context = llama.llama_context_default_params()
        context.n_ctx, context.n_batch, context.n_ubatch = N_CTX, N_BATCH, N_BATCH
        context.n_threads = context.n_threads_batch = self._n_threads
        context.flash_attn_type = self._flash
        context.n_seq_max, context.kv_unified = n_texts, n_texts > 1
        context.type_k = context.type_v = constants.GGML_TYPE_F16
        context.no_perf = True
        return llama.llama_init_from_model(self._model, context)

    def versions(self) -> dict[str, str]:
        return {"llama-cpp-python": llama.__version__, "numpy": np.__version__}

    def _tokenize(self, text: bytes) -> list[int]:
        room = (llama.llama_token * 64)()
        n = llama.llama_tokenize(self._vocab, text, len(text), room, len(room), False, False)
        return list(room[:n])

    def _evaluate(self, tokens: list[int], start: int, n_rows: int) -> np.ndarray:
        """Append up to N_BATCH tokens; the last n_rows of logits, valid until the next call."""
        batch, n = self._batch, len(tokens)
        batch.n_tokens = n
        for i, token in enumerate(tokens):
            batch.token[i], batch.pos[i] = token, start + i
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, 0
            batch.logits[i] = i >= n - n_rows
        if llama.llama_decode(self._context, batch):
            raise RuntimeError("llama_decode failed")
        rows = llama.llama_get_logits(self._context)
        return np.ctypeslib.as_array(rows, (n_rows, self._d_vocab))

    def _forget(self) -> None:
        llama.llama_memory_clear(self._memory, True)

    def first_token(self, prompt: bytes) -> int:
        return int(self._evaluate(self._tokenize(prompt), 0, 1)[-1].argmax())

    def logits(self, window: list[int]) -> np.ndarray:
        self._forget()
        return self._evaluate(window, 0, len(window)).copy()

    def _decode_from(self, position: int, n: int) -> float:
        prompt = tokens(position)
        self._forget()
        for at in range(0, position, N_BATCH):
            row = self._evaluate(prompt[at : at + N_BATCH], at, 1)
        token = int(row[-1].argmax())

        def work() -> None:
            following = token
            for i in range(n):
                following = int(self._evaluate([following], position + i, 1)[-1].argmax())

        return rate(n, work)

    def decode(self) -> float:
        return self._decode_from(N_PROMPT, N_DECODE)

    def decode_1900(self) -> float:
        return self._decode_from(LATE, N_LATE)

    def score_512(self) -> float:
        """Logits at every position, without nll, entropy and rank: less work than ours."""
        self._forget()
        return rate(N_WINDOW, lambda: self._evaluate(tokens(N_WINDOW), 0, N_WINDOW))

    def short_texts(self) -> float:
        """As many parallel sequences as fit a batch; logits at every position, without nll."""
        if not hasattr(self, "_together"):
            self._together = self._new_context(MOST_TEXTS)
        texts = sentences()

        def work() -> None:
            at = 0
            while at < len(texts):
                llama.llama_memory_clear(llama.llama_get_memory(self._together), True)
                at += self._score_together(texts[at : at + MOST_TEXTS])

        return rate(len(texts), work)

    def _score_together(self, texts: list[list[int]]) -> int:
        """Run the first texts that fit a batch. Returns their number."""
        batch, n, done = self._batch, 0, 0
        for text in texts:
            if n + len(text) > N_BATCH:
                break
            for i, token in enumerate(text):
                batch.token[n], batch.pos[n] = token, i
                batch.n_seq_id[n], batch.seq_id[n][0], batch.logits[n] = 1, done, True
                n += 1
            done += 1
        batch.n_tokens = n
        if llama.llama_decode(self._together, batch):
            raise RuntimeError("llama_decode failed")
        llama.llama_get_logits(self._together)
        for i in range(N_BATCH):
            batch.seq_id[i][0] = 0
        return done

    def prefill_512(self) -> float:
        self._forget()
        return rate(N_WINDOW, lambda: self._evaluate(tokens(N_WINDOW), 0, 1))


if __name__ == "__main__":
    print(Engine(sys.argv[1], int(sys.argv[2]), sys.argv[3]).first_token(PROMPT))
