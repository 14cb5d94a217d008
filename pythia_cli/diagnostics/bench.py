"""Measures how fast a model is on this machine, beside how fast its weights can be read."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from pythia_cli.engine.transformer import Transformer
from pythia_cli.library.model import Model
from pythia_cli.weights.int8_file import Int8File

N_PROMPT, N_NEW, N_LATE, N_WINDOW, N_TOGETHER = 8, 64, 32, 512, 4
_READ_BYTES = 1 << 29
_READ_PASSES = 3
_LEAST_RUN = 1 << 20  # bytes for a thread: with fewer, it would wait for its turn to call numpy
_MOST_TIMES = 1000  # in a pass: a tiny model is read for milliseconds, not seconds
_FILL_PIECES = 64

_Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Figures:
    """Medians over the rounds, in tokens a second, GB/s and bytes.

    decode: n_new tokens after a prompt of n_prompt. late_decode: the last n_late tokens of the
    context. together: n_together texts at once; counts the tokens of all. prefill, score: windows
    of n_window tokens. streamed_bytes: weights read to decode one token. read_gb_per_second: how
    fast all threads can read these. bandwidth_share: how fast decode reads them, as a share of it.
    """

    n_prompt: int
    n_new: int
    n_late: int
    n_together: int
    n_window: int
    read_gb_per_second: float
    decode_tokens_per_second: float
    late_decode_tokens_per_second: float
    together_tokens_per_second: float
    prefill_tokens_per_second: float
    score_tokens_per_second: float
    streamed_bytes: int
    bandwidth_share: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def measure(model: Model, rounds: int) -> Figures:
    """Measure all figures in each round, so that changes in the machine's speed affect all."""
    file = model.opened.file
    runs = _Runs(model.transformer, file, model.n_threads)
    figures = {
        "read_gb_per_second": runs.read,
        "decode_tokens_per_second": runs.decode,
        "late_decode_tokens_per_second": runs.late_decode,
        "together_tokens_per_second": runs.together,
        "prefill_tokens_per_second": runs.prefill,
        "score_tokens_per_second": runs.score,
    }
    found: dict[str, list[float]] = {name: [] for name in figures}
    with model.reporter.task("measuring", (1 + rounds) * len(figures), "figures") as task:
        for i in range(1 + rounds):
            for name, run in figures.items():
                value = run()
                if i > 0:  # the first round loads the weights into memory
                    found[name].append(value)
                task.advance(1)
    medians = {name: statistics.median(values) for name, values in found.items()}
    n_bytes = streamed_bytes(file)
    read = n_bytes * medians["decode_tokens_per_second"]
    return Figures(
        n_prompt=runs.n_prompt,
        n_new=runs.n_new,
        n_late=runs.n_late,
        n_together=runs.n_together,
        n_window=runs.n_window,
        streamed_bytes=n_bytes,
        bandwidth_share=read / (1e9 * medians["read_gb_per_second"]),
        **medians,
    )


def streamed_bytes(file: Int8File) -> int:
    """Bytes of weights read to decode one token: all int8 matrices except the embedding."""
    return sum(matrix.nbytes for matrix in _streamed(file))


def _streamed(file: Int8File) -> Iterator[_Array]:
    for name, tensor in file.tensors.items():
        if tensor.dtype == np.int8 and name != "embed_in.weight":
            yield tensor


def weights_bandwidth(file: Int8File, n_threads: int) -> float:
    """GB/s at which all threads read the weights that decoding reads; best of a few passes.

    Of a small model, they may come from the caches, and fewer threads read them.
    """
    return _bandwidth(list(_streamed(file)), n_threads)


def read_bandwidth(n_threads: int) -> float:
    """GB/s at which all threads read an array that is larger than the caches; best of a few passes.

    Other memory of the machine may be slower or faster.
    """
    array = np.empty(_READ_BYTES, np.int8)
    for few in np.array_split(array, _FILL_PIECES):  # Ctrl-C waits for each
        few.fill(1)
    return _bandwidth([array], n_threads)


def _bandwidth(arrays: list[_Array], n_threads: int) -> float:
    """GB/s at which threads read int8 arrays together, once or more often; best of a few passes.

    They find the largest values: of what numpy does, that reads fastest (docs/log.md).
    """
    n_bytes = sum(array.nbytes for array in arrays)
    times = max(1, min(_MOST_TIMES, _READ_BYTES // n_bytes))
    runs = _runs(arrays, max(1, min(n_threads, n_bytes // _LEAST_RUN)))

    def read(run: list[_Array]) -> None:
        for _ in range(times):
            for piece in run:
                piece.max()

    def work() -> None:
        threads = [threading.Thread(target=read, args=(run,)) for run in runs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return max(_rate(times * n_bytes, work) for _ in range(_READ_PASSES)) / 1e9


def _runs(arrays: list[_Array], n: int) -> list[list[_Array]]:
    """The bytes of all arrays, one after the other, in n equal runs."""
    flat = [array.reshape(-1) for array in arrays]
    starts = [0, *accumulate(len(array) for array in flat)]
    bounds = [i * starts[-1] // n for i in range(n + 1)]
    return [
        [
            array[max(lo - start, 0) : hi - start]
            for array, start in zip(flat, starts[:-1], strict=True)
            if start < hi and lo < start + len(array)
        ]
        for lo, hi in pairwise(bounds)
    ]


class _Runs:
    """One measurement per method; lengths are limited by the model's context."""

    def __init__(self, model: Transformer, file: Int8File, n_threads: int) -> None:
        n_ctx = model.config.n_ctx
        self._model, self._file = model, file
        self._n_threads = n_threads
        self.n_prompt = max(1, min(N_PROMPT, n_ctx // 2))
        self.n_new = min(N_NEW, n_ctx - self.n_prompt)
        self.n_late = min(N_LATE, n_ctx - self.n_prompt)
        self.n_window = min(N_WINDOW, n_ctx)
        self._tokens = np.random.default_rng(0).integers(0, model.d_vocab, n_ctx + 1)
        self._cache = model.new_cache()
        # Kept, so that its long prompt runs once.
        self._late_cache = model.new_cache()
        self._texts = model.new_caches(self.n_prompt + self.n_new, N_TOGETHER)
        self.n_together = len(self._texts)

    def read(self) -> float:
        return weights_bandwidth(self._file, self._n_threads)

    def decode(self) -> float:
        self._cache.truncate(0)
        self._model.prefill(self._tokens[: self.n_prompt], self._cache)
        return self._decode(self._cache, self.n_new)

    def late_decode(self) -> float:
        n = self._model.config.n_ctx - self.n_late
        if self._late_cache.length == 0:
            self._model.prefill(self._tokens[:n], self._late_cache)
        self._late_cache.truncate(n)
        return self._decode(self._late_cache, self.n_late)

    def together(self) -> float:
        first, *others = self._texts
        first.truncate(0)
        self._model.prefill(self._tokens[: self.n_prompt], first)
        for cache in others:
            cache.copy_from(first, self.n_prompt)
        following = np.resize(self._tokens, self.n_together).tolist()

        def work() -> None:
            nonlocal following
            for _ in range(self.n_new):
                logits = self._model.decode_together(following, self._texts)
                following = [int(row.argmax()) for row in logits]

        return _rate(self.n_together * self.n_new, work)

    def prefill(self) -> float:
        self._cache.truncate(0)
        window = self._tokens[: self.n_window]
        return _rate(self.n_window, lambda: self._model.prefill(window, self._cache))

    def score(self) -> float:
        self._cache.truncate(0)
        window, targets = self._tokens[: self.n_window], self._tokens[1 : self.n_window + 1]
        return _rate(self.n_window, lambda: self._model.score(window, targets, self._cache))

    def _decode(self, cache: Any, n: int) -> float:
        """Tokens a second of n greedy tokens after those in the cache."""

        def work() -> None:
            following = int(self._tokens[0])
            for _ in range(n):
                following = int(self._model.decode(following, cache).argmax())

        return _rate(n, work)


def _rate(n: int, work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return n / (time.perf_counter() - started)
