"""Ctrl-C and SIGTERM: taken at once, and sent again where other code has lost their exception."""

from __future__ import annotations

import _thread
import contextlib
import os
import signal
import socket
import sys
import threading
from types import FrameType
from typing import Any, NoReturn

from pythia_cli import settings
from pythia_cli.cli.errors import Terminated

_received = 0
_leaving = threading.Event()
_AGAIN_SECONDS = 0.5


def take() -> None:
    """SIGINT raises KeyboardInterrupt and SIGTERM Terminated, until they are heeded.

    C code drops exceptions or wraps them in others: so a signal is remembered, and comes again.
    """
    signal.signal(signal.SIGTERM, _raise)
    signal.signal(signal.SIGINT, _raise)
    sys.unraisablehook = _unless_a_signal
    told, tells = socket.socketpair()
    tells.setblocking(False)
    signal.set_wakeup_fd(tells.detach(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(told,), daemon=True, name="pythia-signals").start()


def heed() -> int | None:
    """The signal that came, if any: the process is then about to leave, and more do nothing."""
    if _received:
        _leaving.set()
    return _received or None


def leave(status: int) -> NoReturn:
    """Exit at once, whatever other threads may be in: there is nothing to tidy up.

    With `status`; or as a signal asks for that came, even where all was done by then.
    """
    _leaving.set()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(128 + _received if _received else status)


def _raise(number: int, frame: FrameType | None) -> None:
    global _received
    _received = _received or number
    if not _leaving.is_set():
        raise Terminated if _received == signal.SIGTERM else KeyboardInterrupt


def _watch(told: socket.socket) -> None:
    """Each signal's number comes as a byte, from Python's handler in C."""
    while told.recv(1):
        while not _leaving.is_set():
            if not _leaving.wait(_AGAIN_SECONDS):
                _send_again()


def _send_again() -> None:
    number = _received or signal.SIGINT
    main = threading.main_thread().ident
    if hasattr(signal, "pthread_kill") and main is not None:
        signal.pthread_kill(main, number)  # unlike interrupt_main, it ends a system call as well
    else:
        _thread.interrupt_main(signal.Signals(number))


def _unless_a_signal(unraisable: Any) -> None:
    """Nothing is said of an interrupt that fell into a destructor: it comes again."""
    if settings.debug() and not issubclass(unraisable.exc_type, KeyboardInterrupt | Terminated):
        sys.__unraisablehook__(unraisable)
