"""Ctrl-C, SIGTERM and SIGHUP: handled at once, and sent again if their exception was lost."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, NoReturn

from pythia_cli import settings
from pythia_cli.cli.errors import Terminated

_SIGNALS = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]
"""The signals that end the command. SIGHUP: its terminal was closed; Windows has none."""

_received = 0
_leaving = threading.Event()
_AGAIN_SECONDS = 0.5


def take() -> None:
    """Install handlers: SIGINT raises KeyboardInterrupt, SIGTERM and SIGHUP raise Terminated.

    A signal that is ignored, as SIGHUP is under nohup, stays ignored.
    C code may drop the exception, wrap it or print it, so a signal is sent again until
    `acknowledge` is called, and after one nothing is printed, but for debugging.
    """
    for number in _SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _raise)
    sys.unraisablehook = _unless_a_signal if settings.debug() else _silent
    reader, writer = os.pipe()
    if hasattr(os, "set_blocking"):  # of pipes, Windows asks for no such thing
        os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader,), daemon=True, name="pythia-signals").start()


def acknowledge() -> int | None:
    """The signal that arrived, or None. After a signal the process exits; ignores later ones."""
    if _received:
        _leaving.set()
    return _received or None


def leave(status: int) -> NoReturn:
    """Exit at once, without waiting for other threads: there is nothing to clean up.

    If a signal arrived, exits with its status instead of `status`, even if all work was done.
    """
    _leaving.set()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(128 + _received if _received else status)


def _raise(number: int, frame: FrameType | None) -> None:
    global _received
    _received = _received or number
    if not settings.debug():
        sys.excepthook = _silent_of_three  # `main` in app.py lets no exception through
    if not _leaving.is_set():
        raise KeyboardInterrupt if _received == signal.SIGINT else Terminated


def _watch(signals: int) -> None:
    """Reads the number of each signal as a byte, which Python's C handler writes."""
    while byte := os.read(signals, 1):
        while not _leaving.is_set():
            if not _leaving.wait(_AGAIN_SECONDS):
                # Long C code keeps _raise from being called; then only the byte is known.
                _send_again(_received or byte[0])


def _send_again(number: int) -> None:
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, number)  # unlike interrupt_main, this also ends a system call
    else:
        _thread.interrupt_main(signal.Signals(number))


_silent: Any = id
_silent_of_three: Any = slice
"""Any functions of one and of three arguments that are no Python code: in such code, the next
signal would be raised, and shown."""


def _unless_a_signal(unraisable: Any) -> None:
    """Stay silent about an interrupt in a destructor, because it is sent again."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt | Terminated):
        sys.__unraisablehook__(unraisable)
