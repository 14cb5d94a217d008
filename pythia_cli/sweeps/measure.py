"""What a sweep needs of a measure, and how its options are given."""

from __future__ import annotations

import difflib
import json
import math
import types
import typing
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeVar, get_args, get_origin

from pythia_cli.errors import InvalidValue, UnknownName
from pythia_cli.reporting import Reporter
from pythia_cli.sweeps.figures import Figure

if TYPE_CHECKING:
    from pythia_cli.library.model import Model


class SweepMeasure(Protocol):
    """A measure with its options, which are the fields of a frozen dataclass.

    name: as in plans. takes_files: whether its inputs are files; otherwise they are names.
    """

    name: ClassVar[str]
    takes_files: ClassVar[bool]

    def check(self, source: str, reporter: Reporter) -> None:
        """Raise what is known to fail before any checkpoint is opened."""

    def sha256(self, source: str) -> str:
        """What tells an input from another one."""

    def take(self, model: Model, source: str, rows: Path, reporter: Reporter) -> list[Figure]:
        """The figures of an open model.

        rows: a path for a table of rows, which may hold rows of an earlier run that was killed.
        """


_M = TypeVar("_M")


def options_of(measure: SweepMeasure) -> dict[str, Any]:
    """The options of a measure, as they are after having been written as JSON and read."""
    read: dict[str, Any] = json.loads(json.dumps(asdict(measure)))  # type: ignore[call-overload]
    return read


def with_options(measure: type[_M], given: Mapping[str, Any]) -> _M:
    """A measure with these options; texts, as they are typed, become what the option holds.

    "e" is a number too. Raises UnknownName for an option that it lacks, and InvalidValue.
    """
    kinds = typing.get_type_hints(measure)
    known = [one.name for one in fields(measure)]  # type: ignore[arg-type]
    for name in given:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, 3, 0.6)
            raise UnknownName(f"option of {measure.name}", name, nearest)  # type: ignore[attr-defined]
    return measure(**{name: _as(kinds[name], name, value) for name, value in given.items()})


def _as(kind: Any, name: str, value: Any) -> Any:
    """The value as an option of this kind. Raises InvalidValue."""
    possible = get_args(kind) if get_origin(kind) in (types.UnionType, typing.Union) else (kind,)
    if value is None and type(None) in possible:
        return None
    for one in possible:
        if one is not type(None) and (found := _read(one, value)) is not None:
            return found
    raise InvalidValue(name, value, " or ".join(_said(one) for one in possible))


def _read(kind: Any, value: Any) -> Any:
    if get_origin(kind) is Literal:
        return value if value in get_args(kind) else None
    if get_origin(kind) is tuple:
        parts = value.split(",") if isinstance(value, str) else value
        is_list = isinstance(parts, list | tuple) and all(isinstance(p, str) for p in parts)
        return tuple(parts) if is_list and parts else None
    if kind is bool:
        return {"true": True, "false": False}.get(str(value).lower())
    if kind is str:
        return value if isinstance(value, str) else None
    if isinstance(value, bool):
        return None
    if kind is float and value == "e":
        return math.e
    try:
        found = kind(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if not isinstance(value, int | float) or found == value else None


def _said(kind: Any) -> str:
    """A kind of value in words."""
    if get_origin(kind) is Literal:
        return ", ".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        return "a list of texts"
    return {
        bool: "true or false", str: "a text", int: "a whole number", float: "a number",
        type(None): "nothing",
    }[kind]  # fmt: skip
