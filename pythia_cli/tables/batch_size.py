"""How many items are measured at a time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

_FIRST = 32  # items: the first rows and the first progress come soon


@dataclass(frozen=True)
class Limits:
    """The most of a batch: items, and bytes of the input; and seconds that one should take.

    A batch that took longer is followed by a smaller one: progress shows, and little is lost when
    the process is killed.
    """

    items: int = 1_000
    n_bytes: int = 1_000_000
    seconds: float = 1.0


DEFAULT_LIMITS = Limits()


class BatchSize:
    """Doubles or halves batches. n_items: of the next one. No figure depends on it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.n_items = min(_FIRST, limits.items)

    @contextlib.contextmanager
    def timed(self) -> Iterator[None]:
        """Around the work on a batch."""
        begun = time.perf_counter()
        yield
        seconds = time.perf_counter() - begun
        if seconds < self._limits.seconds / 2:
            self.n_items = min(2 * self.n_items, self._limits.items)
        elif seconds > self._limits.seconds:
            self.n_items = max(self.n_items // 2, 1)
