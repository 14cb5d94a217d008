"""Encodes many texts in a thread of its own, so that Ctrl-C reaches the caller at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_IN_A_BATCH = 1 << 20  # characters: so many, or a longer text
_IN_FLIGHT = 2  # one is encoded while the caller uses the one before


def encoded_batches(
    encode: Callable[[list[str]], list[Any]], texts: Iterable[str]
) -> Iterator[tuple[str, Any]]:
    """Yield each text with what `encode` makes of it, given many.

    Raises what `encode` raises. After an exception in the caller, the thread ends with the batch
    that it encodes.
    """
    waiting: deque[tuple[list[str], Any]] = deque()
    executor = ThreadPoolExecutor(1, "pythia-tokenizing")
    try:
        for batch in _batches(texts):
            waiting.append((batch, executor.submit(encode, batch)))
            if len(waiting) == _IN_FLIGHT:
                yield from _results(*waiting.popleft())
        while waiting:
            yield from _results(*waiting.popleft())
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    n_characters = 0
    for text in texts:
        if batch and n_characters + len(text) > _IN_A_BATCH:
            yield batch
            batch, n_characters = [], 0
        batch.append(text)
        n_characters += len(text)
    if batch:
        yield batch


def _results(batch: list[str], encodings: Any) -> Iterator[tuple[str, Any]]:
    yield from zip(batch, encodings.result(), strict=True)
