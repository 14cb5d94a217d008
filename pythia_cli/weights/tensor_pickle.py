"""Reads the pickle of a PyTorch checkpoint as data. It calls nothing that the pickle names.

Python's unpickler would, and torch's maps the whole file; if that is cut short by another process,
ours ends by a signal.
"""

from __future__ import annotations

import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pythia_cli.errors import UnsafeFile

_VALUES = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
    "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_TENSORS = ("torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2")
_MOST_AXES = 8
_PARAMETERS = ("torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state")


@dataclass(frozen=True)
class Storage:
    """An array in the checkpoint: its kind, such as HalfStorage, its key, and its length."""

    kind: str
    key: str
    n_items: int


@dataclass(frozen=True)
class PickledTensor:
    """A view of a storage; offset and strides are in items."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


@dataclass(frozen=True)
class Unsupported:
    """Something that PyTorch would make by calling a function of its own."""

    function: str


@dataclass(frozen=True)
class _Global:
    name: str


def read_pickle(file: BinaryIO, path: Path) -> Any:
    """The next object of a pickle: dicts, lists, numbers, texts, PickledTensor and Unsupported.

    Raises UnsafeFile, which names `path`, if the pickle needs code that is not PyTorch's, and
    ValueError, IndexError, KeyError, AttributeError or TypeError if it is damaged.
    """
    return _Reader(path).read(file)


class _Reader:
    """Runs the opcodes that torch.save writes, on a stack."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def read(self, file: BinaryIO) -> Any:
        for opcode, argument, _ in pickletools.genops(file):
            if opcode.name == "STOP":
                break
            self._run(opcode.name, argument)
        return self.stack.pop()

    def _run(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name == "MARK":
            self.marks.append(len(stack))
        elif name == "TUPLE":
            stack.append(tuple(self._since_mark()))
        elif name in _TUPLES:
            stack.append(tuple(self._last(_TUPLES[name])))
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name == "LIST":
            stack.append(self._since_mark())
        elif name in ("APPEND", "APPENDS"):
            items = self._last(1) if name == "APPEND" else self._since_mark()
            stack[-1].extend(items)
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "DICT":
            stack.append(_put({}, self._since_mark()))
        elif name in ("SETITEM", "SETITEMS"):
            items = self._last(2) if name == "SETITEM" else self._since_mark()
            _put(stack[-1], items)
        elif name == "GLOBAL":
            self._add_global(*argument.split(" "))
        elif name == "STACK_GLOBAL":
            self._add_global(*self._last(2))
        elif name in ("REDUCE", "NEWOBJ"):
            stack.append(_called(*self._last(2)))
        elif name == "BUILD":
            stack.pop()  # attributes of an object, which no tensor needs
        elif name == "BINPERSID":
            stack.append(_storage(*stack.pop()))
        elif name not in ("PROTO", "FRAME"):
            raise ValueError(f"a pickle with {name}")

    def _last(self, n: int) -> list[Any]:
        if len(self.stack) < n:
            raise IndexError("an empty stack")
        items = self.stack[-n:]
        del self.stack[-n:]
        return items

    def _since_mark(self) -> list[Any]:
        mark = self.marks.pop()
        items = self.stack[mark:]
        del self.stack[mark:]
        return items

    def _add_global(self, module: str, name: str) -> None:
        whole = f"{module}.{name}"
        if module.split(".")[0] != "torch" and whole != "collections.OrderedDict":
            raise UnsafeFile(self.path, f"refused: reading it would run code ({whole})")
        self.stack.append(_Global(whole))


def _put(target: Any, items: list[Any]) -> dict[Any, Any]:
    """Set keys and values, which alternate. Hashing nested tuples might take for ever."""
    keys = items[::2]
    if not isinstance(target, dict) or not all(isinstance(k, str) or _is_size(k) for k in keys):
        raise TypeError("not a dict of texts and numbers")
    target.update(zip(keys, items[1::2], strict=True))
    return target


def _called(function: _Global, arguments: tuple[Any, ...]) -> Any:
    name = function.name
    if name == "collections.OrderedDict" and not arguments:
        return {}
    if name in _PARAMETERS:
        return arguments[0]
    if name in _TENSORS:
        metadata = arguments[6] if len(arguments) > 6 else None
        return Unsupported("negated or conjugated values") if metadata else _tensor(*arguments[:4])
    return Unsupported(name)


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> PickledTensor:
    if not isinstance(storage, Storage) or len(shape) != len(strides) or len(shape) > _MOST_AXES:
        raise TypeError("not a tensor")
    if not all(map(_is_size, (offset, *shape, *strides))):
        raise TypeError("not a shape")
    return PickledTensor(storage, offset, tuple(shape), tuple(strides))


def _storage(
    word: Any, kind: Any, key: Any, location: Any, n_items: Any, view: Any = None
) -> Storage:
    if word != "storage" or not isinstance(kind, _Global) or view is not None:
        raise TypeError("not a storage")
    if not isinstance(key, str) or not _is_size(n_items):
        raise TypeError("not a storage")
    return Storage(kind.name.rpartition(".")[2], key, n_items)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < 1 << 62
