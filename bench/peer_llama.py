"""llama.cpp, called through its C interface in llama-cpp-python; no other Python of it is timed.

    python bench/peer_llama.py MODEL.gguf THREADS FLASH     # one token, for the cold start

The weights stay mapped; keys and values are float16. FLASH is 0 or 1. The benchmark runs both,
because each is faster in some cases.
"""

from __future__ import annotations

import ctypes
import sys

import llama_cpp as llama
import numpy as np
from llama_cpp import llama_cpp as constants
from peer_gguf_engine import MOST_TEXTS, N_BATCH, N_CTX, GGUFEngine

PROMPT = b"Call me"


class Engine(GGUFEngine):
    def __init__(self, model: str, n_threads: int, flash: str, n_texts: int = 1) -> None:
        self._options, self._together = (model, n_threads, flash), None
        self._quiet = llama.llama_log_callback(lambda *_: None)
        llama.llama_log_set(self._quiet, ctypes.c_void_p(0))
        llama.llama_backend_init()
        options = llama.llama_model_default_params()
        options.use_mmap, options.n_gpu_layers = True, 0
        self._model = llama.llama_model_load_from_file(model.encode(), options)
        context = llama.llama_context_default_params()
        context.n_ctx, context.n_batch, context.n_ubatch = N_CTX, N_BATCH, N_BATCH
        context.n_threads = context.n_threads_batch = n_threads
        context.flash_attn_type = int(flash)
        # Several texts share the room for keys and values.
        context.n_seq_max, context.kv_unified = n_texts, n_texts > 1
        context.type_k = context.type_v = constants.GGML_TYPE_F16
        context.no_perf = True
        self._context = llama.llama_init_from_model(self._model, context)
        self._vocab = llama.llama_model_get_vocab(self._model)
        self._d_vocab = llama.llama_vocab_n_tokens(self._vocab)
        self._batch = llama.llama_batch_init(N_BATCH, 0, 1)

    def versions(self) -> dict[str, str]:
        return {"llama-cpp-python": llama.__version__, "numpy": np.__version__}

    def run(self, ids: list[int], positions: list[int], texts: list[int], n_rows: int) -> None:
        batch, n = self._batch, len(ids)
        batch.n_tokens = n
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i] = token, positions[i]
            batch.n_seq_id[i], batch.seq_id[i][0] = 1, texts[i]
            batch.logits[i] = i >= n - n_rows
        if llama.llama_decode(self._context, batch):
            raise RuntimeError("llama_decode failed")

    def rows(self, n: int) -> np.ndarray:
        rows = llama.llama_get_logits(self._context)
        return np.ctypeslib.as_array(rows, (n, self._d_vocab))

    def forget(self) -> None:
        llama.llama_memory_clear(llama.llama_get_memory(self._context), True)

    def many_texts(self) -> GGUFEngine:
        if self._together is None:
            self._together = Engine(*self._options, MOST_TEXTS)
        return self._together

    def first_token(self, prompt: bytes) -> int:
        room = (llama.llama_token * 64)()
        n = llama.llama_tokenize(self._vocab, prompt, len(prompt), room, len(room), False, False)
        return int(self.evaluate(list(room[:n]), 0, 1)[-1].argmax())


if __name__ == "__main__":
    print(Engine(sys.argv[1], int(sys.argv[2]), sys.argv[3]).first_token(PROMPT))
