"""Ctrl-C and SIGTERM: taken at once, and not in the midst of LLVM's work."""

from __future__ import annotations

import _thread
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from types import FrameType
from typing import Any, TypeVar

from pythia_cli import settings
from pythia_cli.cli.errors import ExitStatus, Terminated

T = TypeVar("T")


def take() -> None:
    """SIGTERM raises Terminated, as SIGINT raises KeyboardInterrupt; neither gets lost.

    A compiled kernel that runs meanwhile is told to end, as Python's own handlers wait for it.
    """
    signal.signal(signal.SIGTERM, _terminate)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.unraisablehook = _again
    told, tells = socket.socketpair()
    tells.setblocking(False)
    signal.set_wakeup_fd(tells.detach(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(told,), daemon=True, name="pythia-signals").start()


def apart(make: Callable[[], T]) -> T:
    """make(), in another thread: an interrupt ends the waiting and leaves the work alone.

    Exceptions that cross llvmlite's callbacks and constructors are dropped, or crash it.
    """
    result: Future[T] = Future()

    def work() -> None:
        try:
            result.set_result(make())
        except BaseException as error:
            result.set_exception(error)

    threading.Thread(target=work, daemon=True, name="pythia-apart").start()
    return result.result()


def leave(status: int) -> None:
    """Exit; after an interrupt without waiting for what other threads may be in."""
    if status in (ExitStatus.INTERRUPTED, ExitStatus.TERMINATED):
        os._exit(status)
    sys.exit(status)


def _watch(told: socket.socket) -> None:
    """Each signal's number comes as a byte, from Python's handler in C."""
    while told.recv(1):
        if team := sys.modules.get("pythia_cli.kernels.team"):
            team.abort_all()


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _again(unraisable: Any) -> None:
    """An interrupt that fell into a destructor or a callback, where Python drops it: once more."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        _thread.interrupt_main()
    elif issubclass(unraisable.exc_type, Terminated):
        _thread.interrupt_main(signal.SIGTERM)
    elif settings.debug():
        sys.__unraisablehook__(unraisable)
