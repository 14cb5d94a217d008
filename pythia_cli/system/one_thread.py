"""Refuses a second thread where only one may be."""

from __future__ import annotations

import os
import threading

from pythia_cli.errors import UsageError


class OneThread:
    """A context that one thread at a time may enter, any number of times.

    Entering raises UsageError while another thread is inside: buffers are shared, so the figures of
    both would be wrong.
    """

    def __init__(self) -> None:
        self._renew()

    def _renew(self) -> None:
        self._lock, self._pid = threading.RLock(), os.getpid()

    def __enter__(self) -> None:
        if self._lock.acquire(blocking=False):
            return
        if self._pid != os.getpid():  # forked while a thread was inside; it is not in the child
            self._renew()
            if self._lock.acquire(blocking=False):
                return
        raise UsageError("the model is in use by another thread; open one for each")

    def __exit__(self, *details: object) -> None:
        self._lock.release()
