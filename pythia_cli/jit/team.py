"""Threads that run one kernel together, while the caller waits or is one of them.

Every rank runs the same function without the GIL, and does its share of each step. A barrier
separates steps that depend on each other (barrier.py).
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from pythia_cli.errors import ResourceError, UsageError
from pythia_cli.jit.pace import Pace
from pythia_cli.system.background import STEP_SECONDS

LINE = 16
"""int64s in 128 bytes: one cache line of Apple's processors, or two of others."""
ARRIVED, BEGAN, MET, ABORTED, OWN = (i * LINE for i in (1, 2, 3, 4, 5))
"""Indices into the int64 array that the threads share. Each has a line; from OWN on, each rank has.

MET counts meetings (barrier.py), from one run to the next, and BEGAN is its value at the start.
"""

_RUNNING = object()


class Team:
    """Up to `n_ranks` threads that run one compiled function together.

    While the machine is busy, fewer run (pace.py); the results are the same. Not thread-safe: one
    call at a time. A forked child starts its own threads. Raises ResourceError if the system allows
    fewer threads.
    """

    def __init__(self, n_ranks: int) -> None:
        self.n_ranks = n_ranks
        self.shared = np.zeros(OWN + n_ranks * LINE, np.int64)
        self._pace = Pace(n_ranks)
        self._ran: deque[tuple[float, _Job]] = deque()  # of which the pace does not know yet
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self.shared[:] = 0  # the process may have been forked during a run
        self._ran.clear()
        self._queues: list[queue.SimpleQueue[_Job | None]] = [
            queue.SimpleQueue() for _ in range(self.n_ranks)
        ]
        weakref.finalize(self, _end, self._queues).atexit = False
        for rank, jobs in enumerate(self._queues):
            try:
                threading.Thread(
                    target=_work, args=(rank, jobs), daemon=True, name=f"pythia-{rank}"
                ).start()
            except RuntimeError as error:  # a limit on threads or on memory
                self.close()
                raise ResourceError(
                    "threads", f"only {rank} of {self.n_ranks} could be started"
                ) from error

    def run(
        self, function: Callable[..., Any], *args: Any, here: bool = False, meets: bool = False
    ) -> None:
        """Call function(rank, n, shared, *args) for each rank < n, and wait for all; n <= n_ranks.

        The caller can be interrupted at any time, unless `here`: then it runs rank 0 itself, which
        saves waking a thread and being woken. For short runs. If the function ends with a barrier
        at which all wait for all (`meets`), that caller does not wait until the others have
        returned from it. After an exception, in the caller or on any rank, the ranks leave at their
        next barrier; it is raised when all have left, or by the next run if it came behind the last
        barrier.
        """
        if not self._queues:
            raise UsageError("the model is closed")
        if self._pid != os.getpid():
            self._start()
        self._learn()
        self.shared[BEGAN] = self.shared[MET]
        job = _Job(self._pace.n_ranks, function, self.shared, args)
        started = time.perf_counter()
        try:
            if here:
                self._hand_out(job, first=1)
                job.run(0)
            else:
                self._hand_out(job)
            if not (here and meets and job.detach()):
                job.wait()
            for outcome in job.outcomes:
                if isinstance(outcome, BaseException):
                    raise outcome
            self._ran.append((time.perf_counter() - started, job))
        except BaseException:
            try:
                self._abort(job)
            except BaseException:  # another interrupt, on the way in or between two tries
                self._abort(job)
            raise
        self._learn()

    def _learn(self) -> None:
        """Let the pace know of runs from which all ranks have returned. Raises their exceptions."""
        while self._ran and self._ran[0][1].is_over:
            seconds, job = self._ran.popleft()
            for outcome in job.outcomes:
                if isinstance(outcome, BaseException):
                    self.shared[ARRIVED] = self.shared[ABORTED] = 0
                    raise outcome
            self._pace.ran(seconds, job.outcomes)

    def _hand_out(self, job: _Job, first: int = 0) -> None:
        for jobs in self._queues[first : job.n_ranks]:
            jobs.put(job)

    def _abort(self, job: _Job) -> None:
        """Make the ranks leave, and wait for all. Ignores further interrupts until then.

        The interrupt may have come before every rank got the job, so it is handed out again. A rank
        runs a job at most once, and does not start it once the abort flag is set. May be called
        again if it did not come to its end.
        """
        while True:
            try:
                self.shared[ABORTED] = 1
                self._hand_out(job)
                job.wait()
                self.shared[ARRIVED] = self.shared[ABORTED] = 0
            except BaseException:
                continue
            return

    def close(self) -> None:
        """End the threads."""
        _end(self._queues)
        self._queues = []


class _Job:
    """One run. outcomes: for each rank, the seconds without a processor, or its exception."""

    def __init__(
        self, n_ranks: int, function: Callable[..., Any], shared: Any, args: tuple[Any, ...]
    ) -> None:
        self.n_ranks = n_ranks
        self.outcomes: list[Any] = [_RUNNING] * n_ranks
        self._call: Any = (function, shared, args)
        self._met: float | None = None
        self._ended: queue.SimpleQueue[None] = queue.SimpleQueue()

    def run(self, rank: int) -> None:
        """Run this rank's part, at most once."""
        if self.outcomes[rank] is not _RUNNING:
            return
        function, shared, args = self._call
        outcome: Any = 0.0
        try:
            if not shared[ABORTED]:
                outcome = _timed(function, rank, self.n_ranks, shared, args)
            if self._met is not None:  # since then it may have waited for the GIL
                outcome -= time.perf_counter() - self._met
        except BaseException as error:
            shared[ABORTED] = 1
            outcome = error
        del function, args
        self.outcomes[rank] = outcome  # must be set before the caller wakes up
        self._ended.put(None)

    @property
    def is_over(self) -> bool:
        """Whether all ranks have an outcome."""
        return _RUNNING not in self.outcomes

    def detach(self) -> bool:
        """Drop the arguments, as rank 0 is back from the last meeting; False if it was aborted."""
        if self._call[1][ABORTED]:
            return False
        self._met = time.perf_counter()
        self._call = None
        return True

    def wait(self) -> None:
        """Wait until all ranks have an outcome; then drop the arguments."""
        while not self.is_over:
            with contextlib.suppress(queue.Empty):
                self._ended.get(timeout=STEP_SECONDS)
        self._call = None


def _end(queues: list[queue.SimpleQueue[_Job | None]]) -> None:
    for jobs in queues:
        jobs.put(None)


def _timed(function: Any, rank: int, n_ranks: int, shared: Any, args: tuple[Any, ...]) -> float:
    """Run the function, and return the seconds in which this thread had no processor."""
    wall, cpu = time.perf_counter(), time.thread_time()
    function(rank, n_ranks, shared, *args)
    return time.perf_counter() - wall - (time.thread_time() - cpu)


def _work(rank: int, jobs: queue.SimpleQueue[_Job | None]) -> None:
    while (job := jobs.get()) is not None:
        job.run(rank)
        del job
