"""pythia itself, as one of the engines. MODEL is an int8 file."""

from __future__ import annotations

import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np
from peer_worker import (
    EARLY,
    LATE,
    N_DECODE,
    N_LATE,
    N_PROMPT,
    N_WINDOW,
    rate,
    sentences,
    tokens,
)

from pythia_cli.diagnostics.bench import streamed_bytes, weights_bandwidth
from pythia_cli.engine.byte_parts import Precision
from pythia_cli.engine.kv_cache import KVCache
from pythia_cli.engine.scorer import Int8Scorer
from pythia_cli.engine.targets import TargetedText
from pythia_cli.engine.transformer import Transformer
from pythia_cli.reporting import NO_TASK
from pythia_cli.weights.int8_file import Int8File

N_SAMPLES = 4


class Engine:
    def __init__(self, model: str, n_threads: int, precision: Precision = "exact") -> None:
        self._file, self._n_threads = Int8File(Path(model)), n_threads
        self._model = Transformer(self._file, n_threads, precision)
        self._cache = self._model.new_cache()
        self._tokens = np.array(tokens(LATE))

    def versions(self) -> dict[str, str]:
        libraries = ("pythia-cli", "numba", "llvmlite", "numpy")
        return {"python": platform.python_version()} | {name: version(name) for name in libraries}

    def work(self) -> dict[str, int]:
        """What is done for each token: bytes read from memory, or products of int8 and int16.

        Products include those of attention, which has the same instruction.
        """
        weights, config = streamed_bytes(self._file), self._model.config
        unembedding = config.d_vocab * config.d_model
        seen = (N_WINDOW + 1) // 2  # positions, on average
        attention = config.n_layers * 2 * config.d_model * seen
        return {
            "decode": weights,
            "score_512": weights + attention,
            "prefill_512": weights - unembedding + attention,
        }

    def logits(self, window: list[int]) -> np.ndarray:
        self._cache.truncate(0)
        rows = np.empty((len(window), self._model.d_vocab), np.float32)
        for at, logits in self._model.chunks(np.array(window), self._cache):
            rows[at : at + len(logits)] = logits
        return rows

    def _decode_from(self, position: int, n: int) -> float:
        """Tokens per second for n greedy tokens after `position`; the prompt is not timed."""
        self._cache.truncate(0)
        token = int(self._model.prefill(self._tokens[:position], self._cache).argmax())

        def work() -> None:
            following = token
            for _ in range(n):
                following = int(self._model.decode(following, self._cache).argmax())

        return rate(n, work)

    def read_gb_per_second(self) -> float:
        return weights_bandwidth(self._file, self._n_threads)

    def decode(self) -> float:
        return self._decode_from(N_PROMPT, N_DECODE)

    def decode_100(self) -> float:
        return self._decode_from(EARLY, N_LATE)

    def decode_1900(self) -> float:
        return self._decode_from(LATE, N_LATE)

    def score_512(self) -> float:
        """nll, entropy and rank at every position."""
        self._cache.truncate(0)
        window, targets = self._tokens[:N_WINDOW], self._tokens[1 : N_WINDOW + 1]
        return rate(N_WINDOW, lambda: self._model.score(window, targets, self._cache))

    def prefill_512(self) -> float:
        self._cache.truncate(0)
        window = self._tokens[:N_WINDOW]
        return rate(N_WINDOW, lambda: self._model.prefill(window, self._cache))

    def short_texts(self) -> float:
        """nll, entropy and rank of all tokens but the first of each; beginnings are shared."""
        scorer = Int8Scorer(self._model)
        texts = [np.array(ids) for ids in sentences()]
        wanted = [TargetedText(ids[:-1], ids[1:]) for ids in texts]
        return rate(len(texts), lambda: scorer.score(wanted, NO_TASK))

    def samples_4(self) -> float:
        """Tokens per second of four continuations of one prompt together."""
        n_ctx = self._model.config.n_ctx
        caches = KVCache.together(self._model.config, n_ctx, N_SAMPLES)
        first = self._model.prefill(self._tokens[:N_PROMPT], caches[0])
        # Four different tokens, so that the samples differ.
        following = [int(token) for token in np.argsort(first)[-N_SAMPLES:]]
        for cache in caches[1:]:
            cache.copy_from(caches[0], N_PROMPT)

        def work() -> None:
            nonlocal following
            for _ in range(N_DECODE):
                logits = self._model.decode_together(following, caches)
                following = [int(row.argmax()) for row in logits]

        return rate(N_SAMPLES * N_DECODE, work)
