"""How many threads to run on a machine that others use too.

Threads that meet at barriers are as fast as the one that waits for a processor: on cores that are
shared with another process, two of them stand still most of the time, and one alone is several
times as fast. So where processors are taken away, half of the threads rest, and come back after a
while, later each time it turns out to be too soon.
"""

from __future__ import annotations

_WINDOW = 0.2  # seconds: shorter ones take what passes at once for a busy machine
_BUSY = 0.3  # part of the time without a processor
_FIRST_REST, _LONGEST_REST, _SOON = 0.25, 4.0, 1.0  # seconds


class Pace:
    """`n_ranks`: how many threads the next run should have, of at most `most`.

    `ran` tells it of each run.
    """

    def __init__(self, most: int) -> None:
        self.n_ranks = most
        self._most = most
        self._wall = self._lost = 0.0
        self._since_change = 0.0
        self._grew = False
        self._rest = _FIRST_REST

    def ran(self, wall: float, lost: float) -> None:
        """A run took `wall` seconds, and its worst thread had no processor for `lost` of them."""
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
