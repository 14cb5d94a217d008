"""A log axis on which 0 has a place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LINEAR_DECADES = 0.6
"""The room from 0 to where the axis becomes logarithmic, in decades of the rest."""

_FEWEST_TICKS = 2
_SPREAD_OF_LOG = 30  # largest value by smallest from which a figure is drawn on a log axis


@dataclass(frozen=True)
class LogAxis:
    """From `first` to `last`: linear from 0 to `linear_to`, logarithmic above that.

    linear_to: a power of ten, the largest that is not above the smallest positive value.
    """

    first: float
    last: float
    linear_to: float

    @classmethod
    def over(cls, values: Iterable[float]) -> LogAxis:
        """The axis that shows these values, which are at least 0."""
        there = sorted(set(values)) or [0]
        positive = [value for value in there if value > 0]
        if not positive:
            return cls(0, 1, 1)
        linear_to = 10 ** math.floor(math.log10(positive[0]))
        if len(there) == 1:
            return cls(linear_to, linear_to * 10, linear_to)
        return cls(there[0], there[-1], linear_to)

    def position(self, value: float) -> float:
        """Where a value is: 0 at `first`, 1 at `last`."""
        first, last = self._decades(self.first), self._decades(self.last)
        return (self._decades(value) - first) / (last - first)

    def _decades(self, value: float) -> float:
        if value < self.linear_to:
            return LINEAR_DECADES * value / self.linear_to
        return LINEAR_DECADES + math.log10(value / self.linear_to)

    @property
    def ticks(self) -> list[int]:
        """0 if it is shown, and the powers of ten.

        If these are fewer than two, 1, 2 and 5 times each power; if those are too, the ends.
        """
        zero = [0] if self.first == 0 else []
        for factors in ((1,), (1, 2, 5)):
            above = self._multiples(factors)
            if len(zero) + len(above) >= _FEWEST_TICKS:
                return zero + above
        return [int(self.first), int(self.last)]

    def _multiples(self, factors: Sequence[int]) -> list[int]:
        exponents = range(round(math.log10(self.linear_to)), math.floor(math.log10(self.last)) + 1)
        found = [factor * 10**exponent for exponent in exponents for factor in factors]
        return [value for value in found if self.first <= value <= self.last]


def is_read_on_log_scale(values: Iterable[float]) -> bool:
    """Whether values are all positive and far apart, as perplexities along training are."""
    there = list(values)
    return bool(there) and min(there) > 0 and max(there) / min(there) >= _SPREAD_OF_LOG
