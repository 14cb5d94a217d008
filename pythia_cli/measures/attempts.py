"""A function of each of many items, some of which fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from pythia_cli.errors import PythiaError

Item = TypeVar("Item")
Result = TypeVar("Result")


def attempt_each(do: Callable[[Item], Result], items: Iterable[Item]) -> list[Result | PythiaError]:
    """For each item, what the function returns; or its error, if it raises a PythiaError."""

    def attempt(item: Item) -> Result | PythiaError:
        try:
            return do(item)
        except PythiaError as error:
            return error

    return [attempt(item) for item in items]


def without_errors(results: Iterable[Result | PythiaError]) -> list[Result]:
    """The results. Raises the first error among them."""
    found = []
    for result in results:
        if isinstance(result, PythiaError):
            raise result
        found.append(result)
    return found
