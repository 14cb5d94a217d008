"""Helps to write a measure of items: what fails for one item does not fail for the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pythia_cli.errors import PythiaError
from pythia_cli.tables.running import RecordsOfItem

Unit = TypeVar("Unit")
Prepared = TypeVar("Prepared")


def measured_together(
    items: Sequence[Unit],
    prepare: Callable[[Unit], Prepared],
    measure: Callable[[list[Prepared]], Sequence[RecordsOfItem]],
) -> list[RecordsOfItem | PythiaError]:
    """Prepare each item, measure all that could be prepared at once, and return both in order.

    prepare: may raise PythiaError for its item, as Item.text does.
    """
    results: list[RecordsOfItem | PythiaError] = []
    prepared: list[Prepared] = []
    for item in items:
        try:
            prepared.append(prepare(item))
            results.append([])
        except PythiaError as error:
            results.append(error)
    found = iter(measure(prepared) if prepared else ())
    return [result if isinstance(result, PythiaError) else next(found) for result in results]
