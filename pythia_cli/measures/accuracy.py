"""The mean of scores, with its standard error."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass
class Accuracy:
    """The mean of scores from 0 to 1 that are added one by one."""

    n: int = 0
    total: float = 0.0
    squared: float = 0.0

    def add(self, score: float) -> None:
        """Count a score."""
        self.n += 1
        self.total += score
        self.squared += score**2

    @property
    def mean(self) -> float:
        """Of at least one score."""
        return self.total / self.n

    @property
    def stderr(self) -> float | None:
        """The standard error of the mean: s / sqrt(n), s with n - 1; None for one score."""
        if self.n < 2:
            return None
        variance = max(0.0, self.squared / self.n - self.mean**2)
        return math.sqrt(variance / (self.n - 1))
