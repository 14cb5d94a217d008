"""The bytes of an input that is read several times, once for each checkpoint."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, Self

from pythia_cli.errors import InputError, ResourceError
from pythia_cli.files.reading import reading_errors

_PIECE = 1 << 18
_NO_CALL: Callable[[], None] = lambda: None  # noqa: E731


class InputBytes:
    """A regular file, or what came through a pipe, kept in a temporary file. A context manager.

    The file stays open, so that one that takes its place meanwhile is not mixed with it.
    """

    def __init__(self, name: str, file: BinaryIO) -> None:
        self.name, self.file = name, file
        self._status = os.fstat(file.fileno())

    @classmethod
    def of_file(cls, path: Path, arrived: Callable[[], None] = _NO_CALL) -> Self:
        """Raises NotFound, InputError for a folder, ResourceError. arrived: as for `of_stream`."""
        with reading_errors(path):
            if path.is_dir():
                raise InputError(path, "is a folder; name its files")
            file = path.open("rb")
            if path.is_file():
                return cls(str(path), file)
            with file:
                return cls.of_stream(file, str(path), arrived)

    @classmethod
    def of_stream(cls, stream: BinaryIO, name: str, arrived: Callable[[], None] = _NO_CALL) -> Self:
        """Read a stream to its end. Calls `arrived` for each piece. Raises ResourceError."""
        try:
            spooled = tempfile.TemporaryFile(prefix="pythia-")  # noqa: SIM115
        except OSError as error:
            raise ResourceError(
                tempfile.gettempdir(), f"cannot be written ({error.strerror})"
            ) from error
        try:
            while piece := _read(stream, name):
                arrived()
                _write(spooled, piece)
            _write(spooled, b"")
        except BaseException:
            spooled.close()
            raise
        return cls(name, spooled)

    @property
    def n_bytes(self) -> int:
        """Bytes of the whole input."""
        return self._status.st_size

    def beginning(self, n_bytes: int) -> bytes:
        """At most so many bytes of its beginning."""
        with reading_errors(Path(self.name)):
            self.file.seek(0)
            return self.file.read(n_bytes)

    def pieces(self) -> Iterator[bytes]:
        """All bytes, from the beginning. Several such readings may go on side by side.

        Raises InputError if the file was changed since it was opened, and ResourceError.
        """
        offset = 0
        while True:
            with reading_errors(Path(self.name)):
                self.file.seek(offset)
                piece = self.file.read(_PIECE)
            if not piece:
                break
            offset += len(piece)
            yield piece
        self._check_unchanged()

    def is_file(self, path: Path) -> bool:
        """Whether this is the file at `path`."""
        try:
            return os.path.samestat(self._status, path.stat())
        except OSError:
            return False

    def _check_unchanged(self) -> None:
        now, then = os.fstat(self.file.fileno()), self._status
        if (now.st_size, now.st_mtime_ns) != (then.st_size, then.st_mtime_ns):
            raise InputError(self.name, "was changed while it was read")

    def close(self) -> None:
        """Close the file; a temporary one is gone then."""
        self.file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()


def _read(stream: BinaryIO, name: str) -> bytes:
    """A piece, as soon as there is one."""
    read = getattr(stream, "read1", stream.read)
    with reading_errors(Path(name)):
        piece: bytes = read(_PIECE)
    return piece


def _write(spooled: BinaryIO, piece: bytes) -> None:
    try:
        spooled.write(piece)
        if not piece:
            spooled.flush()
    except OSError as error:
        place = tempfile.gettempdir()
        raise ResourceError(place, f"cannot be written ({error.strerror})") from error
