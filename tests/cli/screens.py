"""What a command leaves on the screen of a terminal of a given width."""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from collections.abc import Sequence

import pyte

from tests.cli.running import MODULE, Pythia


def screen_of(
    pythia: Pythia, *arguments: str, columns: int, status: int = 0, **environment: str
) -> list[str]:
    """The lines on the screen at the end, without those below the last; stdin is the terminal."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(pythia.folder)
        os.execve(
            sys.executable,
            [*MODULE, *arguments],
            pythia.environment(**{"TERM": "xterm-256color", **environment}),
        )
    _resize(terminal, columns)
    seen = b""
    deadline = time.monotonic() + 100
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 0.5)[0]:
            continue
        try:
            data = os.read(terminal, 1 << 16)
        except OSError:
            break
        if not data:
            break
        seen += data
    _, ended = os.waitpid(pid, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(ended) == status, seen
    return lines_of(seen, columns)


def lines_of(seen: bytes, columns: int) -> list[str]:
    """What bytes leave on a screen."""
    screen = pyte.Screen(columns, 100)
    pyte.ByteStream(screen).feed(seen)
    return "\n".join(line.rstrip() for line in screen.display).rstrip("\n").split("\n")


def wrapped(lines: Sequence[str], columns: int) -> list[str]:
    """Lines as a terminal of this width breaks them."""
    return [
        line[at : at + columns].rstrip()
        for line in lines
        for at in range(0, max(len(line), 1), columns)
    ]


def _resize(terminal: int, columns: int) -> None:
    import fcntl
    import struct
    import termios

    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 100, columns, 0, 0))
