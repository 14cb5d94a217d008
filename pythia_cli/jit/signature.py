"""Kernel signatures: argument types, from annotations and as JSON. Does not import Numba.

A kernel's annotations are its signature. An argument is an int (64 bits), a float (64 bits), an
array (C-contiguous), or a NamedTuple of these.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, NamedTuple, TypeAlias, get_type_hints

import numpy as np


class ArrayType(NamedTuple):
    """numpy's type code without the byte order, such as f4, and the number of axes."""

    dtype: str
    n_axes: int


_Array = np.ndarray[Any, Any]
Int8s2 = Annotated[_Array, ArrayType("i1", 2)]
Int8s3 = Annotated[_Array, ArrayType("i1", 3)]
Int8s5 = Annotated[_Array, ArrayType("i1", 5)]
Int8s6 = Annotated[_Array, ArrayType("i1", 6)]
Int16s1 = Annotated[_Array, ArrayType("i2", 1)]
Int16s2 = Annotated[_Array, ArrayType("i2", 2)]
Int16s3 = Annotated[_Array, ArrayType("i2", 3)]
Int32s1 = Annotated[_Array, ArrayType("i4", 1)]
Int32s2 = Annotated[_Array, ArrayType("i4", 2)]
Int32s3 = Annotated[_Array, ArrayType("i4", 3)]
UInt8s2 = Annotated[_Array, ArrayType("u1", 2)]
UInt16s1 = Annotated[_Array, ArrayType("u2", 1)]
Int64s1 = Annotated[_Array, ArrayType("i8", 1)]
Int64s2 = Annotated[_Array, ArrayType("i8", 2)]
Floats1 = Annotated[_Array, ArrayType("f4", 1)]
Floats2 = Annotated[_Array, ArrayType("f4", 2)]
Floats3 = Annotated[_Array, ArrayType("f4", 3)]
Floats4 = Annotated[_Array, ArrayType("f4", 4)]
Doubles1 = Annotated[_Array, ArrayType("f8", 1)]
Doubles2 = Annotated[_Array, ArrayType("f8", 2)]
Doubles3 = Annotated[_Array, ArrayType("f8", 3)]

ArgumentType: TypeAlias = "str | ArrayType | Signature"
Signature: TypeAlias = "Mapping[str, ArgumentType]"
"""Types by name, in order: "int", "float", an ArrayType, or the fields of a NamedTuple."""

_TEAM_ARGUMENTS = ["rank", "n_ranks"]


def hints_of(function: Callable[..., Any]) -> tuple[dict[str, Any], bool]:
    """The annotated types of a kernel's arguments by name, and whether a team runs it.

    A kernel for a team has rank and n_ranks first; they are left out of the result.
    """
    hints = get_type_hints(function, include_extras=True)
    hints.pop("return", None)
    for_team = list(hints)[:2] == _TEAM_ARGUMENTS
    if for_team:
        for name in _TEAM_ARGUMENTS:
            del hints[name]
    return hints, for_team


def signature_of(hints: Mapping[str, Any]) -> Signature:
    """The signature with these annotated types."""
    return {name: _type_of(hint) for name, hint in hints.items()}


def array_type(hint: Any) -> ArrayType | None:
    """The type of an annotated array; None for a number or a NamedTuple."""
    (found,) = getattr(hint, "__metadata__", (None,))
    return found if isinstance(found, ArrayType) else None


def fields_of(hint: Any) -> dict[str, Any]:
    """The annotated types of a NamedTuple's fields."""
    return get_type_hints(hint, include_extras=True)


def _type_of(hint: Any) -> ArgumentType:
    if hint in (int, float):
        return str(hint.__name__)
    return array_type(hint) or signature_of(fields_of(hint))


def to_json(signature: Signature) -> str:
    """A signature as JSON."""
    return json.dumps(signature)


def from_json(text: str) -> Signature:
    """The inverse of to_json."""

    def parsed(value: Any) -> ArgumentType:
        if isinstance(value, dict):
            return {name: parsed(inner) for name, inner in value.items()}
        return ArrayType(*value) if isinstance(value, list) else str(value)

    return {name: parsed(value) for name, value in json.loads(text).items()}
