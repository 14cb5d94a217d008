"""Checks of arguments of the library."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pythia_cli.errors import InvalidValue

Item = TypeVar("Item")


def is_whole(value: object) -> bool:
    """Whether this is a whole number: an int, or numpy's."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def check_whole(name: str, value: object, least: int, most: int | None = None) -> None:
    """Raises InvalidValue unless the value is a whole number from `least` to `most`."""
    if not is_whole(value) or value < least or (most is not None and value > most):  # type: ignore[operator]
        wanted = f"{least} or more" if most is None else f"{least} to {most}"
        raise InvalidValue(name, value, f"a whole number, {wanted}")


def check_number(name: str, value: Any, is_good: Callable[[float], bool], expected: str) -> None:
    """Raises InvalidValue unless the value is a number, and a good one."""
    if not isinstance(value, numbers.Real) or not is_good(float(value)):
        raise InvalidValue(name, value, expected)


def listed(name: str, texts: Iterable[Item]) -> tuple[Item, ...]:
    """Several texts as a tuple. Raises InvalidValue if they are one text, or not iterable."""
    if isinstance(texts, str) or not isinstance(texts, Iterable):
        raise InvalidValue(name, texts, "a list of texts")
    return tuple(texts)


def check_text(name: str, text: object) -> None:
    """Raises InvalidValue unless this is a str."""
    if not isinstance(text, str):
        raise InvalidValue(name, text, "a text")


def check_findable(name: str, text: object) -> None:
    """Raises InvalidValue unless this is a str that a text may hold: not empty, no surrogates."""
    check_text(name, text)
    if not text or any("\ud800" <= character <= "\udfff" for character in str(text)):
        raise InvalidValue(name, text, "a text that is not empty and has no surrogates")
