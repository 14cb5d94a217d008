"""Work on many things in threads, ahead of the caller, who takes one result after the other."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from pythia_cli.errors import ResourceError
from pythia_cli.system.background import SteppedFuture, background

_In = TypeVar("_In")
_Out = TypeVar("_Out")


class Ahead(Generic[_In, _Out]):
    """work(thing) for each of these, in up to n_threads threads at a time. A context manager.

    The caller waits for a result, and does none of the work, so Ctrl-C reaches it. Leaving the
    context, each thread ends with the thing that it works on; the process does not wait for it.
    Raises ResourceError if no thread can be started; with fewer, there is less at a time.
    """

    def __init__(
        self, work: Callable[[_In], _Out], things: Iterable[_In], n_threads: int, name: str
    ) -> None:
        self._work = work
        self._futures: deque[Future[_Out]] = deque()
        self._left: deque[tuple[_In, Future[_Out]]] = deque()
        for thing in things:
            future = SteppedFuture[_Out]()
            self._futures.append(future)
            self._left.append((thing, future))
        self._lock = threading.Lock()
        for n_started in range(min(n_threads, len(self._left))):
            try:
                background(self._run, name)
            except RuntimeError as error:  # a limit on threads or on memory
                if n_started == 0:
                    raise ResourceError("threads", "no more can be started") from error
                break

    def __iter__(self) -> Iterator[_Out]:
        """The results that are left, in order. Raises what `work` raised, in its place."""
        while self._futures:
            yield self._futures.popleft().result()

    def __enter__(self) -> Ahead[_In, _Out]:
        return self

    def __exit__(self, *details: Any) -> None:
        self.stop()

    def stop(self) -> None:
        """Begin nothing more. What was not begun has no result."""
        with self._lock:
            while self._left:
                _, future = self._left.popleft()
                future.cancel()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._left:
                    return
                thing, future = self._left.popleft()
            try:
                found = self._work(thing)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(found)
