"""SIGBUS: a mapped file was cut short, or its disk fails. It ends with one line, as other errors.

The library installs no handler: see docs/checkpoints.md.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from pythia_cli.cli.errors import ExitStatus
from pythia_cli.text.printable import visible

_line = ctypes.create_string_buffer(4096)
_kept: list[Any] = []  # the handler in use


def watch(path: Path | None = None) -> None:
    """Handle SIGBUS from now on. path: the mapped file that an error names, if it is known.

    Does nothing where there is no SIGBUS, and if the user has asked for tracebacks of it.
    """
    if not hasattr(signal, "SIGBUS") or faulthandler.is_enabled():
        return
    what = (
        "a file of the checkpoint" if path is None else visible(" ".join(str(path).split()))[-2000:]
    )
    start = "\n" if sys.stderr.isatty() else ""  # after a bar or a streamed text
    text = (
        f"{start}error: {what}: was cut short or cannot be read any more;"
        " try: pythia checkpoint verify\n"
    )
    data = text.encode(errors="backslashreplace")
    _line.value = data[: len(_line) - 1]
    if not _kept:
        _kept.append(None)
        # Where LLVM makes it, that takes some milliseconds, and an interrupt within is not safe.
        with contextlib.suppress(RuntimeError):  # no thread can be started: without it, as before
            threading.Thread(target=_install, daemon=True, name="pythia-bus-errors").start()


def _install() -> None:
    with contextlib.suppress(Exception):  # without it, as before; the main thread says what fails
        from pythia_cli.jit.last_words import LastWords

        _kept[0] = LastWords(_line, ExitStatus.INTEGRITY)
        set_handler = ctypes.CDLL(None).signal
        set_handler.argtypes, set_handler.restype = (ctypes.c_int, ctypes.c_void_p), ctypes.c_void_p
        set_handler(signal.SIGBUS, _kept[0].address)
