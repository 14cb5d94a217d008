"""Adapts the number of threads to the load of the machine.

Threads that meet at barriers are as slow as the slowest. If another process uses one of two cores,
both threads wait most of the time, and one thread alone is several times as fast. So when the
machine is busy, half of the threads pause. They resume after a delay, which doubles each time they
resumed too soon.
"""

from __future__ import annotations

_WINDOW = 0.2  # seconds; shorter windows react to momentary load
_BUSY = 0.3  # fraction of the time that a thread waited for a processor
_FIRST_REST, _LONGEST_REST, _SOON = 0.25, 4.0, 1.0  # seconds


class Pace:
    """`n_ranks` is the number of threads for the next run, 1 to `most`.

    Call `ran` after each run.
    """

    def __init__(self, most: int) -> None:
        self.n_ranks = most
        self._most = most
        self._wall = self._lost = 0.0
        self._since_change = 0.0
        self._grew = False
        self._rest = _FIRST_REST

    def ran(self, wall: float, lost: float) -> None:
        """Record a run of `wall` seconds, `lost` of which its slowest thread had no processor."""
        self._wall += wall
        self._lost += lost
        self._since_change += wall
        if self._wall < _WINDOW:
            return
        busy = self._lost > _BUSY * self._wall
        self._wall = self._lost = 0.0
        if busy and self.n_ranks > 1:
            too_soon = self._grew and self._since_change < _SOON
            self._rest = min(2 * self._rest, _LONGEST_REST) if too_soon else _FIRST_REST
            self._change(self.n_ranks // 2, grew=False)
        elif self.n_ranks < self._most and self._since_change >= self._rest:
            self._change(min(2 * self.n_ranks, self._most), grew=True)

    def _change(self, n_ranks: int, *, grew: bool) -> None:
        self.n_ranks = n_ranks
        self._grew = grew
        self._since_change = 0.0
