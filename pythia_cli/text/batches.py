"""Encodes many texts in threads of their own, so that Ctrl-C reaches the caller at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any

from pythia_cli.system import cores

_IN_A_BATCH = 1 << 16  # characters: so many, or a longer text
_MOST_TEXTS = 1 << 10  # in a batch; each takes 400 bytes, however short
_MOST_THREADS = 4  # more would wait for Python, and take memory: 9 MB for each batch
_IN_FLIGHT = 2  # batches for each thread: one is encoded while the caller uses the one before


def encoded_batches(
    encode: Callable[[list[str]], list[Any]], texts: Iterable[str]
) -> Iterator[tuple[list[str], list[Any]]]:
    """Yield the texts, some at a time, with what `encode` makes of these.

    Raises what `encode` raises. After an exception in the caller, each thread ends with the batch
    that it encodes. If no more threads can be started, the caller encodes.
    """
    waiting: deque[tuple[list[str], Any]] = deque()
    n_threads = min(_MOST_THREADS, cores.n_threads())
    executor = ThreadPoolExecutor(n_threads, "pythia-tokenizing")
    try:
        for batch in _batches(texts):
            waiting.append((batch, _submitted(executor, encode, batch)))
            if len(waiting) == _IN_FLIGHT * n_threads:
                yield _result(*waiting.popleft())
        while waiting:
            yield _result(*waiting.popleft())
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _submitted(executor: Executor, encode: Callable[[list[str]], Any], batch: list[str]) -> Any:
    """The future of encode(batch)."""
    try:
        return executor.submit(encode, batch)
    except RuntimeError:  # no thread could be started
        done: Future[Any] = Future()
        done.set_result(encode(batch))
        return done


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    n_characters = 0
    for text in texts:
        is_full = n_characters + len(text) > _IN_A_BATCH or len(batch) == _MOST_TEXTS
        if batch and is_full:
            yield batch
            batch, n_characters = [], 0
        batch.append(text)
        n_characters += len(text)
    if batch:
        yield batch


def _result(batch: list[str], encodings: Any) -> tuple[list[str], list[Any]]:
    return batch, encodings.result()
