"""Compiled kernels in a private folder, under a hash of everything they depend on."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import stat
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from pythia_cli import settings
from pythia_cli.files.publishing import nearest_existing, published
from pythia_cli.jit import identity

_MAGIC = b"pythia kernels 2\n"


class CompiledKernel(NamedTuple):
    """A kernel's object code, the symbol of its function, and its signature as JSON."""

    symbol: str
    signature: str
    object_code: bytes


def packed(kernels: Mapping[str, CompiledKernel]) -> bytes:
    """Serialize kernels: name, symbol, signature and object code, each preceded by its length."""
    return b"".join(
        struct.pack("<Q", len(field)) + field
        for name, (symbol, signature, code) in kernels.items()
        for field in (name.encode(), symbol.encode(), signature.encode(), code)
    )


def unpacked(data: bytes) -> dict[str, CompiledKernel]:
    """The inverse of `packed`. Raises ValueError for data of another layout."""
    fields = []
    try:
        while data:
            (size,) = struct.unpack_from("<Q", data)
            if len(data) < 8 + size:
                raise ValueError("packed kernels that end too soon")
            fields.append(data[8 : 8 + size])
            data = data[8 + size :]
    except struct.error as error:
        raise ValueError("not packed kernels") from error
    return {
        name.decode(): CompiledKernel(symbol.decode(), signature.decode(), code)
        for name, symbol, signature, code in zip(*[iter(fields)] * 4, strict=True)
    }


def _sources(folder: Path) -> list[Path]:
    """All source files that the kernels of this folder depend on: its own, and those of jit/."""
    return sorted(path for room in (Path(__file__).parent, folder) for path in room.rglob("*.py"))


def _key(sources: Iterable[Path]) -> str:
    """A hash of the sources, the versions of Numba and llvmlite, and the target processor."""
    target = (identity.of_processor(), *settings.compiled_for())
    digest = hashlib.sha256(repr(target).encode())
    # Their version files are read, as importing them would double the start-up time.
    for path in (*sources, _version_file("numba"), _version_file("llvmlite")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:24]


def _version_file(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "_version.py"


def _private_folder() -> tuple[Path | None, str]:
    """The folder of compiled kernels, which need not exist yet; or None and the reason."""
    folder = settings.cache_folder() / "kernels"
    try:
        status = folder.stat()
    except FileNotFoundError:
        above = nearest_existing(folder)
        if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
            return folder, ""
        return None, f"{folder.parent} cannot be written"
    except OSError:
        return None, f"{folder.parent} cannot be read"
    # The code in it will be executed, so only this user and root may be able to write it.
    if problem := _distrust(status):
        return None, f"{folder} {problem}"
    for above in folder.resolve().parents:
        mode = above.stat().st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            return None, f"{above} may be written by others, who could replace {folder} (chmod o-w)"
    return folder, ""


def _distrust(status: os.stat_result) -> str:
    """Why others than this user and root may have written it; empty if they have not."""
    if hasattr(os, "getuid"):
        if status.st_uid not in (0, os.getuid()):
            return "belongs to another user"
        if status.st_mode & 0o022:
            return "may be written by others (chmod go-w)"
    return ""


class ObjectCache:
    """The cache file of the kernels that are compiled from a folder, for this processor.

    path: the file; None if there is a problem. problem: why nothing can be cached. fault: why the
    file that is there was not used. Both are empty if there is no reason.
    """

    def __init__(self, sources: Path) -> None:
        folder, self.problem = _private_folder()
        self.path = folder / f"{_key(_sources(sources))}.bin" if folder is not None else None
        self.fault = ""

    def read(self) -> dict[str, CompiledKernel] | None:
        """Kernels by name; None if they are not cached, or the file has a `fault`."""
        if self.path is None:
            return None
        try:
            data, self.fault = _read_own(self.path)
        except OSError:
            return None  # there is none
        head = len(_MAGIC)
        body = data[head + 32 :]
        if self.fault:
            return None
        # One without kernels comes from a child process that compiled nothing.
        is_whole = data[:head] == _MAGIC and data[head : head + 32] == _sha256(body)
        if not is_whole or not body:
            self.fault = "is damaged"
            return None
        try:
            return unpacked(body)
        except ValueError:
            self.fault = "is damaged"
            return None

    def write(self, kernels: Mapping[str, CompiledKernel]) -> None:
        """Write the kernels for later processes. Sets `problem` if that fails."""
        if self.path is None:
            return
        body = packed(kernels)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with published(self.path, private=True) as file:
                file.write(_MAGIC + _sha256(body) + body)
        except OSError:
            self.problem = f"{self.path.parent} cannot be written"


def _read_own(path: Path) -> tuple[bytes, str]:
    """The content of a file that only this user or root can have written; or why it is another."""
    # Opened once, so that what is checked is what is read. A pipe would wait for a writer.
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    with open(os.open(path, flags | getattr(os, "O_BINARY", 0)), "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return b"", "is no file"
        if problem := _distrust(status):
            return b"", problem
        return file.read(), ""


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()
