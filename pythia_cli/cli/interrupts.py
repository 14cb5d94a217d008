"""Ctrl-C and SIGTERM: taken at once, and not in the midst of LLVM's work."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from types import FrameType
from typing import Any, TypeVar

from pythia_cli import settings
from pythia_cli.cli.errors import Terminated

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
    """Exit at once, whatever other threads may be in: there is nothing to tidy up."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status)


def _watch(told: socket.socket) -> None:
    """Each signal's number comes as a byte, from Python's handler in C."""
    while told.recv(1):
        if team := sys.modules.get("pythia_cli.kernels.team"):
            team.abort_all()


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated


def _again(unraisable: Any) -> None:
    """An interrupt that fell into a destructor or a callback, where Python drops it: once more.

    By another thread, and when this is left: a handler that ran in here would raise for nothing.
    """
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        _thread.start_new_thread(_send, (signal.SIGINT,))
    elif issubclass(unraisable.exc_type, Terminated):
        _thread.start_new_thread(_send, (signal.SIGTERM,))
    elif settings.debug():
        sys.__unraisablehook__(unraisable)


def _send(number: signal.Signals) -> None:
    """The signal to the main thread, as soon as that is not within _again."""
    main = threading.main_thread().ident
    assert main is not None
    frame: FrameType | None
    while True:
        time.sleep(0.001)
        frame = sys._current_frames().get(main)
        while frame is not None and frame.f_code is not _again.__code__:
            frame = frame.f_back
        if frame is None:
            break
    if hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, number)  # unlike interrupt_main, it ends a system call as well
    else:
        _thread.interrupt_main(number)
