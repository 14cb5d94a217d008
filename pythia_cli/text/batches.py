"""Encodes many texts in a thread of its own, so that Ctrl-C reaches the caller at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

_IN_A_BATCH = 16
_IN_FLIGHT = 2  # one is encoded while the caller uses the one before


def encoded_batches(
    encode: Callable[[list[str]], list[Any]], texts: Iterable[str]
) -> Iterator[tuple[str, Any]]:
    """Yield each text with what `encode` makes of it, given many.

    Raises what `encode` raises. After an exception in the caller, the thread ends with the batch
    that it encodes.
    """
    remaining = iter(texts)
    batches = iter(lambda: list(islice(remaining, _IN_A_BATCH)), [])
    waiting: deque[tuple[list[str], Any]] = deque()
    executor = ThreadPoolExecutor(1, "pythia-tokenizing")
    try:
        for batch in batches:
            waiting.append((batch, executor.submit(encode, batch)))
            if len(waiting) == _IN_FLIGHT:
                yield from _results(*waiting.popleft())
        while waiting:
            yield from _results(*waiting.popleft())
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _results(batch: list[str], encodings: Any) -> Iterator[tuple[str, Any]]:
    yield from zip(batch, encodings.result(), strict=True)
