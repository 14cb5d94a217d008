"""Threads that run one kernel together: a team of Python threads.

Every member runs the same function without the GIL and works on its own share of each step;
between dependent steps they meet at a barrier (barrier.py).
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from pythia_cli.kernels.layout import ABORTED, N_SHARED

_RUNNING = object()


class Team:
    """`n_ranks` threads, the caller's among them, that run one jitted function together.

    One call at a time; not to be shared between threads.
    """

    def __init__(self, n_ranks: int) -> None:
        self.n_ranks = n_ranks
        self.shared = np.zeros(N_SHARED, np.int64)
        self._jobs: list[queue.SimpleQueue[Any]] = [queue.SimpleQueue() for _ in range(n_ranks - 1)]
        self._woken: queue.SimpleQueue[None] = queue.SimpleQueue()
        for rank, jobs in enumerate(self._jobs, start=1):
            threading.Thread(
                target=_work, args=(rank, jobs, self._woken), daemon=True, name=f"pythia-{rank}"
            ).start()

    def run(self, function: Callable[..., Any], *args: Any) -> None:
        """function(rank, n_ranks, shared, *args) on every rank; returns when all have.

        An exception on any rank (KeyboardInterrupt on the caller's) makes the others leave at
        their next barrier, and is raised again here.
        """
        outcomes: list[Any] = [_RUNNING] * len(self._jobs)
        try:
            for jobs in self._jobs:
                jobs.put((function, self.n_ranks, self.shared, args, outcomes))
            function(0, self.n_ranks, self.shared, *args)
            while _RUNNING in outcomes:
                self._woken.get()
        except BaseException:
            self._settle()
            raise
        if failures := [outcome for outcome in outcomes if outcome is not None]:
            self.shared[:] = 0
            raise failures[0]

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
        for jobs in self._jobs:
            jobs.put(None)
        self._jobs = []


def _nothing(rank: int, n_ranks: int, shared: Any) -> None:
    pass


def _work(rank: int, jobs: queue.SimpleQueue[Any], woken: queue.SimpleQueue[None]) -> None:
    while (job := jobs.get()) is not None:
        function, n_ranks, shared, args, outcomes = job
        outcome = None
        try:
            function(rank, n_ranks, shared, *args)
        except BaseException as error:
            shared[ABORTED] = 1
            outcome = error
        del function, args, job
        outcomes[rank - 1] = outcome  # then the caller is woken, and looks
        woken.put(None)
