"""Work in a thread that keeps neither its caller nor the process waiting."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import TypeVar

_T = TypeVar("_T")

STEP_SECONDS = 0.1 if sys.platform == "win32" else 0.5
"""How long a single wait lasts: whoever waits for longer waits again.

Python sees a signal that comes just before a wait begins only when the wait is over; and on Windows
Ctrl-C ends none.
"""


class SteppedFuture(Future[_T]):
    """A future whose result is waited for in steps, so that no signal is seen too late."""

    def result(self, timeout: float | None = None) -> _T:
        """As of any Future."""
        while timeout is None and not self.done():
            wait([self], STEP_SECONDS)
        return super().result(timeout)


def background(work: Callable[[], _T], name: str) -> Future[_T]:
    """Call work() in a new thread of this name; the future has its result or exception.

    Unlike those of a ThreadPoolExecutor, the thread ends with the process, which does not wait.
    """
    done = SteppedFuture[_T]()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True, name=name).start()
    return done
