"""Loads object code of 64-bit x86 Linux, without LLVM: that would be a tenth of all memory.

Numba's code has sections of code and constants, full addresses where it refers to them, and the
names of a few functions of the C library. Whatever else there is, is left to LLVM (library.py).
"""

from __future__ import annotations

import ctypes
import mmap
import platform
import struct
import sys
from typing import NamedTuple

from pythia_cli.jit.executable import Executable

C_FUNCTIONS = frozenset(
    ["exp", "expf", "log", "logf", "memcpy", "memmove", "memset", "sched_yield"]
)
"""What kernels may call, from the C library."""

_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QQq")
_IDENT = b"\x7fELF\x02\x01\x01"  # 64 bits, little-endian, version 1
_OBJECT, _X86_64, _ADDRESS_64 = 1, 62, 1
_CONSTANTS, _SYMBOLS, _RELOCATIONS = 1, 2, 4  # types of sections; code is "constants" too
_WRITTEN, _LOADED = 1, 2  # flags of sections
_UNDEFINED = 0  # the section of a symbol
_UNWINDING = ".eh_frame"  # for exceptions, which kernels have none of


class UnknownObject(Exception):
    """The object has something that is not loaded here."""


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry_size: int


def is_supported() -> bool:
    """Whether this process is one of 64-bit x86 Linux."""
    return sys.platform == "linux" and platform.machine() == "x86_64" and sys.maxsize > 2**32


class LoadedObject:
    """An object in memory, to the end of the process."""

    def __init__(self, code: bytes) -> None:
        """Raises UnknownObject, also for an object that is damaged."""
        try:
            self._load(code)
        except (
            struct.error,
            LookupError,
            ArithmeticError,
            ValueError,
            OSError,
            AttributeError,
        ) as error:
            raise UnknownObject(str(error)) from error

    def _load(self, code: bytes) -> None:
        header = _HEADER.unpack_from(code)
        if not header[0].startswith(_IDENT) or header[1:3] != (_OBJECT, _X86_64):
            raise UnknownObject("no object of this processor")
        first, size, n, names = header[6], header[11], header[12], header[13]
        sections = [_Section(*_SECTION.unpack_from(code, first + i * size)) for i in range(n)]
        places, n_bytes = _places(code, sections, sections[names])
        self._memory = Executable(max(n_bytes, 1))
        self._base = self._memory.address
        for i, place in places.items():
            part = sections[i]
            self._memory.room[place : place + part.size] = code[
                part.offset : part.offset + part.size
            ]
        (table,) = (section for section in sections if section.kind == _SYMBOLS)
        values = self._values(code, table, sections[table.link], places)
        for section in sections:
            if section.kind == _RELOCATIONS and section.info in places:
                target = sections[section.info]
                self._relocate(code, section, places[section.info], target.size, values)
        self._memory.seal()
        self._symbols = {name: value for name, value in values if value is not None}

    def address(self, symbol: str) -> int:
        """The address of a function. Raises UnknownObject if there is no such symbol."""
        try:
            return self._symbols[symbol]
        except KeyError as error:
            raise UnknownObject(f"no symbol {symbol}") from error

    def _values(
        self, code: bytes, table: _Section, names: _Section, places: dict[int, int]
    ) -> list[tuple[str, int | None]]:
        """The name and address of each symbol; None for those of sections that are left out."""
        found: list[tuple[str, int | None]] = []
        for at in range(table.offset, table.offset + table.size, _SYMBOL.size):
            name_at, _, _, section, value, _ = _SYMBOL.unpack_from(code, at)
            name = _text(code, names, name_at)
            if section in places:
                found.append((name, self._base + places[section] + value))
            elif section == _UNDEFINED and name in C_FUNCTIONS:
                function = getattr(ctypes.CDLL(None), name)
                found.append((name, ctypes.cast(function, ctypes.c_void_p).value))
            else:
                found.append((name, None))
        return found

    def _relocate(
        self,
        code: bytes,
        section: _Section,
        place: int,
        size: int,
        values: list[tuple[str, int | None]],
    ) -> None:
        """Write the addresses that a section refers to."""
        for at in range(section.offset, section.offset + section.size, _RELOCATION.size):
            offset, info, addend = _RELOCATION.unpack_from(code, at)
            name, value = values[info >> 32]
            if info & 0xFFFFFFFF != _ADDRESS_64 or value is None or offset + 8 > size:
                raise UnknownObject(f"a reference to {name or 'a section'}")
            struct.pack_into("<q", self._memory.room, place + offset, value + addend)


def _places(code: bytes, sections: list[_Section], names: _Section) -> tuple[dict[int, int], int]:
    """Where each section to be loaded begins, by its number; and the bytes of all."""
    places: dict[int, int] = {}
    end = 0
    for i, section in enumerate(sections):
        if not section.flags & _LOADED or _text(code, names, section.name) == _UNWINDING:
            continue
        if section.kind != _CONSTANTS or section.flags & _WRITTEN:
            raise UnknownObject("data that can be written")
        if section.align > mmap.PAGESIZE or section.offset + section.size > len(code):
            raise UnknownObject("a section of another kind")
        align = max(section.align, 1)
        places[i] = -(-end // align) * align
        end = places[i] + section.size
    return places, end


def _text(code: bytes, names: _Section, at: int) -> str:
    start = names.offset + at
    return code[start : code.index(b"\0", start)].decode()
