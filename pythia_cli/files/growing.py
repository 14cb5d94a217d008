"""The sha256 of a file while it is written, so that it need not be read again."""

from __future__ import annotations

import hashlib
import os
from concurrent.futures import Future
from pathlib import Path
from typing import BinaryIO

from pythia_cli.reporting import NO_TASK, Task
from pythia_cli.system.background import background

_BATCH = 4 << 20  # hashed at a time, while the next arrives


class GrowingHash:
    """Hashes what is added, in a thread behind the one that writes it."""

    def __init__(self) -> None:
        self._file: os.stat_result | None = None
        self._forget()

    def _forget(self) -> None:
        self._digest = hashlib.sha256()
        self._pieces: list[bytes] = []
        self._held = 0
        self._running: Future[None] | None = None
        self._n_bytes = 0

    def follow(self, file: BinaryIO, checked: Task = NO_TASK) -> None:
        """Go on with this file, which is at its end.

        If it has other bytes than were added, begins again and reads them all.
        checked: advances by the bytes that are read.
        """
        status, end = os.fstat(file.fileno()), file.tell()
        is_same = self._file is not None and os.path.samestat(self._file, status)
        self._file = status
        if is_same and self._n_bytes == end:
            return
        self._wait()
        self._forget()
        file.seek(0)
        while piece := file.read(_BATCH):
            self.add(piece)
            checked.advance(len(piece))

    def add(self, piece: bytes) -> None:
        """Bytes that were written at the end of the file."""
        self._pieces.append(piece)
        self._held += len(piece)
        self._n_bytes += len(piece)
        if self._held >= _BATCH:
            self._hash()

    def of(self, path: Path) -> str | None:
        """The sha256 of the file at `path`; None if it is not the one, or has other bytes too."""
        self._hash()
        self._wait()
        now = path.stat()
        is_same = self._file is not None and os.path.samestat(self._file, now)
        return self._digest.hexdigest() if is_same and now.st_size == self._n_bytes else None

    def _hash(self) -> None:
        self._wait()
        digest, pieces = self._digest, self._pieces
        self._pieces, self._held = [], 0

        def update() -> None:
            for piece in pieces:
                digest.update(piece)

        self._running = background(update, "pythia-hash")

    def _wait(self) -> None:
        if self._running is not None:
            self._running.result()
