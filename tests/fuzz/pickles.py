"""Writes pickles of any structure, one opcode after the other, without importing what they name."""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Global:
    """A class or function by name: `torch._utils _rebuild_tensor_v2`."""

    name: str


@dataclass(frozen=True)
class Call:
    """What a function or class returns for these arguments. state: set on it afterwards."""

    function: Any
    arguments: Any
    state: Any = None


@dataclass(frozen=True)
class Stored:
    """A persistent id: torch spells its storages so."""

    key: Any


def dumps(value: Any) -> bytes:
    """The pickle of a value, in protocol 2."""
    return pickle.PROTO + b"\x02" + _emit(value) + pickle.STOP


def _emit(value: Any) -> bytes:
    match value:
        case Global(name):
            return pickle.GLOBAL + name.replace(" ", "\n").encode() + b"\n"
        case Call(function, arguments, state):
            made = _emit(function) + _emit(arguments) + pickle.REDUCE
            return made if state is None else made + _emit(state) + pickle.BUILD
        case Stored(key):
            return _emit(key) + pickle.BINPERSID
        case None:
            return pickle.NONE
        case bool():
            return pickle.NEWTRUE if value else pickle.NEWFALSE
        case int() if 0 <= value < 256:
            return pickle.BININT1 + bytes((value,))
        case int() if -(2**31) <= value < 2**31:
            return pickle.BININT + struct.pack("<i", value)
        case int():
            data = pickle.encode_long(value)[:255]
            return pickle.LONG1 + bytes((len(data),)) + data
        case float():
            return pickle.BINFLOAT + struct.pack(">d", value)
        case str():
            data = value.encode("utf-8", "surrogatepass")
            return pickle.BINUNICODE + struct.pack("<I", len(data)) + data
        case tuple():
            return pickle.MARK + b"".join(map(_emit, value)) + pickle.TUPLE
        case list():
            return pickle.EMPTY_LIST + pickle.MARK + b"".join(map(_emit, value)) + pickle.APPENDS
        case dict():
            items = b"".join(_emit(part) for item in value.items() for part in item)
            return pickle.EMPTY_DICT + pickle.MARK + items + pickle.SETITEMS
    raise TypeError(type(value))
