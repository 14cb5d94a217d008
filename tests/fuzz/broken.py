"""A target with every kind of fault, to test the runner. An input says which."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from random import Random

import numpy as np

from pythia_cli.errors import IntegrityError

_FAULTS = (b"", b"", b"", b"refused", b"refused", b"refused", b"bug")


class Broken:
    def __init__(self, folder: Path) -> None:
        self.valid = b""

    def make(self, random: Random) -> bytes:
        return random.choice(_FAULTS)

    def check(self, data: bytes) -> None:
        if data == b"refused":
            raise IntegrityError("file", "damaged")
        if data == b"bug":
            raise KeyError("a bug")
        if data == b"memory":
            np.ones(1 << 28)
        if data == b"slow":
            end = time.process_time() + 1.1
            while time.process_time() < end:
                pass
        if data == b"signal":
            os.kill(os.getpid(), signal.SIGSEGV)
        if data == b"hang":
            time.sleep(600)
