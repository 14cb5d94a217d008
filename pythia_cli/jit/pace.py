"""Adapts the number of threads to the load of the machine.

Threads that meet at barriers are as slow as the slowest. If another process uses one of two cores,
both threads wait most of the time, and one thread alone is several times as fast. So when the
machine is busy, half of the threads pause. They resume after a delay, which doubles each time they
resumed too soon.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

_WINDOW = 0.2  # seconds; shorter windows react to momentary load
_BUSY = 0.3  # fraction of the time that a thread waited for a processor
_FIRST_REST, _LONGEST_REST, _SOON = 0.25, 4.0, 1.0  # seconds
_TICK = 1 / 64 if sys.platform == "win32" else 0.0  # seconds; see Pace
_TICKS = 32  # in a window


class Pace:
    """`n_ranks` is the number of threads for the next run, 1 to `most`.

    Call `ran` after each run. tick: the seconds in which a thread's processor time is counted, if
    runs may be shorter. A single run then tells nothing: what a thread seems to lose in one, it
    gains in another. So the slowest thread is that of the whole window, and windows are longer.
    """

    def __init__(self, most: int, tick: float = _TICK) -> None:
        self.n_ranks = most
        self._most = most
        self._is_coarse = tick > 0
        self._window = max(_WINDOW, _TICKS * tick)
        self._start_window()
        self._since_change = 0.0
        self._grew = False
        self._rest = _FIRST_REST

    def ran(self, wall: float, lost: Sequence[float]) -> None:
        """Record a run of `wall` seconds. lost: the seconds of each thread without a processor."""
        self._wall += wall
        for rank, seconds in enumerate(lost if self._is_coarse else [max(lost)]):
            self._lost[rank] += seconds
        self._since_change += wall
        if self._wall < self._window:
            return
        busy = max(self._lost) > _BUSY * self._wall
        self._start_window()
        if busy and self.n_ranks > 1:
            too_soon = self._grew and self._since_change < _SOON
            self._rest = min(2 * self._rest, _LONGEST_REST) if too_soon else _FIRST_REST
            self._change(self.n_ranks // 2, grew=False)
        elif self.n_ranks < self._most and self._since_change >= self._rest:
            self._change(min(2 * self.n_ranks, self._most), grew=True)

    def _start_window(self) -> None:
        self._wall = 0.0
        self._lost = [0.0] * self._most

    def _change(self, n_ranks: int, *, grew: bool) -> None:
        self.n_ranks = n_ranks
        self._grew = grew
        self._since_change = 0.0
