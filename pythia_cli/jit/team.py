"""Threads that run one kernel together: a team of Python threads.

Every member runs the same function without the GIL and works on its own share of each step;
between dependent steps they meet at a barrier (barrier.py).
"""

from __future__ import annotations

import os
import queue
import threading
import time
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from pythia_cli.jit.pace import Pace

ARRIVED, GENERATION, ABORTED, N_SHARED = 0, 8, 16, 24
"""Places in the int64 array that a team's threads share, a cache line apart; and its size."""

_RUNNING = object()


class Team:
    """Up to `n_ranks` threads, the caller's among them, that run one compiled function together.

    Fewer for a while, where the machine is busy (pace.py): what they write does not depend on how
    many they are. One call at a time; not to be shared between threads. A forked child gets
    threads of its own.
    """

    def __init__(self, n_ranks: int) -> None:
        self.n_ranks = n_ranks
        self.shared = np.zeros(N_SHARED, np.int64)
        self._pace = Pace(n_ranks)
        self._start()
        _TEAMS.add(self)

    def _start(self) -> None:
        self._pid = os.getpid()
        self.shared[:] = 0  # a fork may have come in the midst of a run
        self._jobs: list[queue.SimpleQueue[Any]] = [
            queue.SimpleQueue() for _ in range(self.n_ranks - 1)
        ]
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        for rank, jobs in enumerate(self._jobs, start=1):
            threading.Thread(
                target=_work, args=(rank, jobs, self._woken), daemon=True, name=f"pythia-{rank}"
            ).start()
        weakref.finalize(self, _end, self._jobs).atexit = False

    def run(self, function: Callable[..., Any], *args: Any) -> None:
        """function(rank, n, shared, *args) on ranks below n <= n_ranks; returns when all have.

        An exception on any rank (KeyboardInterrupt on the caller's) makes the others leave at
        their next barrier, and is raised again here.
        """
        if self._pid != os.getpid():
            self._start()
        n = self._pace.n_ranks
        outcomes: list[Any] = [_RUNNING] * (n - 1)
        started = time.perf_counter()
        try:
            for jobs in self._jobs[: n - 1]:
                jobs.put((function, n, self.shared, args, outcomes))
            lost = _timed(function, 0, n, self.shared, args)
            while _RUNNING in outcomes:
                self._woken.get()
        except BaseException:
            self._settle()
            raise
        if failures := [outcome for outcome in outcomes if isinstance(outcome, BaseException)]:
            self.shared[:] = 0
            raise failures[0]
        if self.shared[ABORTED]:
            self.shared[:] = 0
            raise KeyboardInterrupt
        self._pace.ran(time.perf_counter() - started, max([lost, *outcomes]))

    def _settle(self) -> None:
        """Have the members leave, and wait until all have.

        An interrupt may have come between any two steps: whether a member had got its job is not
        known. So each gets a job behind it, and further interrupts have to wait.
        """
        while True:
            try:
                self.shared[ABORTED] = 1
                outcomes: list[Any] = [_RUNNING] * len(self._jobs)
                for jobs in self._jobs:
                    jobs.put((_nothing, self.n_ranks, self.shared, (), outcomes))
                while _RUNNING in outcomes:
                    self._woken.get()
                self.shared[:] = 0
            except BaseException:
                continue
            return

    def close(self) -> None:
        """Let the threads end."""
        _end(self._jobs)
        self._jobs = []


_TEAMS: weakref.WeakSet[Team] = weakref.WeakSet()


def abort_all() -> None:
    """Have whatever runs end at its next barrier, with KeyboardInterrupt. From any thread."""
    for team in _TEAMS.copy():
        team.shared[ABORTED] = 1


def _end(jobs: list[queue.SimpleQueue[Any]]) -> None:
    for of_one in jobs:
        of_one.put(None)


def _nothing(rank: int, n_ranks: int, shared: Any) -> None:
    pass


def _timed(function: Any, rank: int, n_ranks: int, shared: Any, args: tuple[Any, ...]) -> float:
    """Run it, and return the seconds in which this thread had no processor."""
    wall, cpu = time.perf_counter(), time.thread_time()
    function(rank, n_ranks, shared, *args)
    return time.perf_counter() - wall - (time.thread_time() - cpu)


def _work(rank: int, jobs: queue.SimpleQueue[Any], woken: queue.SimpleQueue[None]) -> None:
    while (job := jobs.get()) is not None:
        function, n_ranks, shared, args, outcomes = job
        outcome: Any = 0.0
        try:
            outcome = _timed(function, rank, n_ranks, shared, args)
        except BaseException as error:
            shared[ABORTED] = 1
            outcome = error
        del function, args, job
        outcomes[rank - 1] = outcome  # then the caller is woken, and looks
        woken.put(None)
