"""ik_llama.cpp, a fork of llama.cpp that is faster on CPUs, built from a folder with its source."""

from __future__ import annotations

import ctypes
from pathlib import Path

import numpy as np
from peer_gguf_engine import MOST_TEXTS, N_BATCH, N_CTX, GGUFEngine


class Engine(GGUFEngine):
    """library: what peer_setup.ik_library built. The model is read and repacked at the start."""

    def __init__(self, model: str, n_threads: int, library: str, n_texts: int = 1) -> None:
        self._options, self._together = (model, n_threads, library), None
        self._library = ctypes.CDLL(library)
        self._library.peer_open.restype = ctypes.c_void_p
        self._library.peer_logits.restype = ctypes.POINTER(ctypes.c_float)
        opened = self._library.peer_open(model.encode(), n_threads, N_CTX, N_BATCH, n_texts)
        if not opened:
            raise RuntimeError("ik_llama.cpp cannot open the model")
        self._peer = ctypes.c_void_p(opened)
        self._d_vocab = self._library.peer_vocabulary(self._peer)

    def versions(self) -> dict[str, str]:
        version = Path(self._options[2]).with_suffix(".version").read_text(encoding="utf-8")
        return {"ik_llama.cpp": version.strip(), "numpy": np.__version__}

    def run(self, ids: list[int], positions: list[int], texts: list[int], n_rows: int) -> None:
        n = len(ids)
        ints = ctypes.c_int * n
        wanted = (ctypes.c_char * n)(*(int(i >= n - n_rows) for i in range(n)))
        if self._library.peer_decode(
            self._peer, n, ints(*ids), ints(*positions), ints(*texts), wanted
        ):
            raise RuntimeError("llama_decode failed")

    def rows(self, n: int) -> np.ndarray:
        return np.ctypeslib.as_array(self._library.peer_logits(self._peer), (n, self._d_vocab))

    def forget(self) -> None:
        self._library.peer_forget(self._peer)

    def many_texts(self) -> GGUFEngine:
        if self._together is None:
            self._together = Engine(*self._options, MOST_TEXTS)
        return self._together
