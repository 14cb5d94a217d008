"""Compiled kernels on disk: a private folder, keyed by all that the machine code depends on."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import llvmlite
import llvmlite.binding

from pythia_cli import settings
from pythia_cli.files.publishing import nearest_existing, published

_MAGIC = b"pythia kernels 2\n"


class CompiledKernel(NamedTuple):
    """A kernel's object code, the name of the function in it, and its signature as JSON."""

    symbol: str
    signature: str
    object_code: bytes


def packed(kernels: Mapping[str, CompiledKernel]) -> bytes:
    """Kernels by name as bytes: name, symbol, signature and object code, each behind its length."""
    return b"".join(
        struct.pack("<Q", len(field)) + field
        for name, (symbol, signature, code) in kernels.items()
        for field in (name.encode(), symbol.encode(), signature.encode(), code)
    )


def unpacked(data: bytes) -> dict[str, CompiledKernel]:
    """What `packed` made the bytes of. Raises ValueError for others."""
    fields = []
    try:
        while data:
            (size,) = struct.unpack_from("<Q", data)
            fields.append(data[8 : 8 + size])
            data = data[8 + size :]
    except struct.error as error:
        raise ValueError("not packed kernels") from error
    return {
        name.decode(): CompiledKernel(symbol.decode(), signature.decode(), code)
        for name, symbol, signature, code in zip(*[iter(fields)] * 4, strict=True)
    }


def _sources(folder: Path) -> list[Path]:
    """All code that kernels of this folder are compiled from: it, and jit/."""
    return sorted(path for room in (Path(__file__).parent, folder) for path in room.rglob("*.py"))


def _key(sources: Iterable[Path]) -> str:
    """Of the kernels' sources, Numba, llvmlite, and the processor that is compiled for."""
    digest = hashlib.sha256(llvmlite.__version__.encode())
    processor = (
        llvmlite.binding.get_host_cpu_name(),
        llvmlite.binding.get_host_cpu_features().flatten(),
        *settings.compiled_for(),
    )
    digest.update(repr(processor).encode())
    # Numba itself would take as long to import as all the rest of the command takes.
    numba = importlib.util.find_spec("numba")
    assert numba is not None
    assert numba.origin is not None
    for path in (*sources, Path(numba.origin).parent / "_version.py"):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:24]


def _private_folder() -> tuple[Path | None, str]:
    """The folder of compiled kernels; or None, and why it is not used. It need not be there yet."""
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
    # Compiled code is run as it is: nobody else, but root, may have put it there.
    if hasattr(os, "getuid"):
        if status.st_uid not in (0, os.getuid()):
            return None, f"{folder} belongs to another user"
        if status.st_mode & 0o022:
            return None, f"{folder} may be written by others (chmod go-w helps)"
    return folder, ""


class ObjectCache:
    """This processor's compiled kernels of a folder of sources: `read` and `write` them whole.

    found_damaged: what was there did not have its own sha256, and was not used. problem: why
    nothing can be kept, or empty.
    """

    def __init__(self, sources: Path) -> None:
        folder, self.problem = _private_folder()
        self._path = folder / f"{_key(_sources(sources))}.bin" if folder is not None else None
        self.found_damaged = False

    def read(self) -> dict[str, CompiledKernel] | None:
        """Kernels by name; None where there is nothing to be used."""
        if self._path is None:
            return None
        try:
            data = self._path.read_bytes()
        except OSError:
            return None
        head = len(_MAGIC)
        body = data[head + 32 :]
        if data[:head] != _MAGIC or data[head : head + 32] != hashlib.sha256(body).digest():
            self.found_damaged = True
            return None
        return unpacked(body)

    def write(self, kernels: Mapping[str, CompiledKernel]) -> None:
        """Keep them for later processes; where that cannot be done, there is a `problem`."""
        if self._path is None:
            return
        body = packed(kernels)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with published(self._path, private=True) as file:
                file.write(_MAGIC + hashlib.sha256(body).digest() + body)
        except OSError:
            self.problem = f"{self._path.parent} cannot be written"
