"""Work in a thread that keeps neither its caller nor the process waiting."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_T = TypeVar("_T")


def background(work: Callable[[], _T], name: str) -> Future[_T]:
    """Call work() in a new thread of this name; the future has its result or exception.

    Unlike those of a ThreadPoolExecutor, the thread ends with the process, which does not wait.
    """
    done: Future[_T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True, name=name).start()
    return done
