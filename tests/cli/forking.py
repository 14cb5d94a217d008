"""Runs of the command without the wait for its imports: children of a process that has done them.

The start of Python and the imports are most of a short run, and the tests make two thousand. A
run is still a process of its own, which ends as Python ends. What needs an interpreter of its own
gets one: see `Pythia`. The children of a process have the same hash seed.
"""

from __future__ import annotations

import atexit
import contextlib
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
PIPE_BYTES = 4096  # what any pipe takes before somebody reads


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
                stdout=subprocess.DEVNULL,
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
        after ending a run that takes longer, and RuntimeError if the process that forks has ended.
        """
        given, write = os.pipe()
        os.write(write, stdin)
        os.close(write)
        outputs = [os.pipe() for _ in range(3)]
        request = os.memfd_create("request")
        content = json.dumps([arguments, dict(environment), os.fspath(folder)])
        os.pwrite(request, content.encode(), 0)
        theirs = [given, *(write for _, write in outputs), request]
        ours = [read for read, _ in outputs]
        try:
            try:
                socket.send_fds(self._requests, [b"run"], theirs)
            finally:
                for descriptor in theirs:
                    os.close(descriptor)
            out, err, ends = _read(ours, time.monotonic() + seconds)
        except BrokenPipeError:
            ends = b""
        finally:
            for descriptor in ours:
                os.close(descriptor)
        if len(ends.split()) < 2:
            raise RuntimeError(f"the process that forks has ended with {self._server.poll()}")
        return int(ends.split()[1]), out, err

    def _close(self) -> None:
        self._requests.close()
        self._server.wait(60)


def _read(descriptors: list[int], until: float) -> list[bytes]:
    """What comes through each until its end. The last says the process, and then its status."""
    read: dict[int, bytearray] = {descriptor: bytearray() for descriptor in descriptors}
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(until - time.monotonic(), 0))
            if not ready:
                process, *status = read[descriptors[-1]].split() or [b""]
                if process and not status:
                    with contextlib.suppress(ProcessLookupError):  # it ends at this moment
                        os.kill(int(process), signal.SIGKILL)
                raise TimeoutError(f"it is not done, and wrote {list(read.values())}")
            for key, _ in ready:
                if data := os.read(key.fd, 1 << 16):
                    read[key.fd] += data
                else:
                    selector.unregister(key.fd)
    return [bytes(data) for data in read.values()]
