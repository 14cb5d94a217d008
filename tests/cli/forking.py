"""Runs of the command without the wait for its imports: children of a process that has done them.

The start of Python and the imports are most of a short run, and the tests make two thousand. A
run is still a process of its own, which ends as Python ends. What needs an interpreter of its own
gets one: see `Pythia`.
"""

from __future__ import annotations

import atexit
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

SERVER = Path(__file__).with_name("fork_server.py")
PIPE_BYTES = 1 << 16  # what a pipe takes before anybody reads


class Forks:
    """A process with the command's imports done, and its children. It ends with this process."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)
        # NumPy must not start threads in a process that forks.
        own = {**self.environment, "OPENBLAS_NUM_THREADS": "1"}
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._server = subprocess.Popen(
                [sys.executable, SERVER, str(theirs.fileno())],
                env=own,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        atexit.register(self._close)

    def run(
        self,
        arguments: list[str],
        environment: Mapping[str, str],
        folder: Path,
        stdin: bytes,
        seconds: float,
    ) -> tuple[int, bytes, bytes]:
        """Its exit status (minus the signal that ended it), stdout and stderr.

        `stdin` is at most PIPE_BYTES. May be called from several threads. Raises TimeoutError
        after ending a run that takes longer.
        """
        given, write = os.pipe()
        os.write(write, stdin)
        os.close(write)
        outputs = [os.pipe() for _ in range(3)]
        theirs = [given, *(write for _, write in outputs)]
        request = json.dumps([arguments, dict(environment), os.fspath(folder)]).encode()
        try:
            socket.send_fds(self._requests, [request], theirs)
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        out, err, ends = _read([read for read, _ in outputs], seconds)
        return int(ends.split()[1]), out, err

    def _close(self) -> None:
        self._requests.close()
        self._server.wait()


def _read(descriptors: list[int], seconds: float) -> list[bytes]:
    """What comes through each until its end; the first line of the last names the process."""
    read: dict[int, bytearray] = {descriptor: bytearray() for descriptor in descriptors}
    until, is_late = time.monotonic() + seconds, False
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            for key, _ in selector.select(None if is_late else max(until - time.monotonic(), 0)):
                if data := os.read(key.fd, 1 << 16):
                    read[key.fd] += data
                else:
                    selector.unregister(key.fd)
                    os.close(key.fd)
            named = read[descriptors[-1]].split()
            if named and not is_late and time.monotonic() >= until:
                is_late = True
                if len(named) == 2:  # it has ended, but not all that it started
                    break
                os.kill(int(named[0]), signal.SIGKILL)
    if is_late:
        raise TimeoutError(f"not done after {seconds} s; it wrote {list(read.values())}")
    return [bytes(data) for data in read.values()]
