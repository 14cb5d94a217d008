"""Helps to write a measure of items: what fails for one item does not fail for the others."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from pythia_cli.errors import PythiaError

Unit = TypeVar("Unit")
Prepared = TypeVar("Prepared")
Result = TypeVar("Result")
Record = TypeVar("Record")
M = TypeVar("M")
Meter = TypeVar("Meter")


def one_for_each(make: Callable[[M], Meter]) -> Callable[[M], Meter]:
    """The function, which is called once for each model in turn: what it made is kept meanwhile."""
    last: list[tuple[M, Meter]] = []

    def meter_of(model: M) -> Meter:
        if not last or last[0][0] is not model:
            last[:] = [(model, make(model))]
        return last[0][1]

    return meter_of


def one_record_each(
    found: Iterable[Record | PythiaError],
) -> list[Sequence[Record] | PythiaError]:
    """Of items that have a record each, or an error: their records, in lists."""
    return [one if isinstance(one, PythiaError) else [one] for one in found]


def measured_together(
    items: Iterable[Unit],
    prepare: Callable[[Unit], Prepared],
    measure: Callable[[list[Prepared]], Iterable[Result | PythiaError]],
) -> list[Result | PythiaError]:
    """Prepare each item, measure all that could be prepared at once, and return both in order.

    prepare: may raise PythiaError for its item, as Item.text does. measure: may return one.
    """
    errors: list[PythiaError | None] = []
    prepared: list[Prepared] = []
    for item in items:
        try:
            prepared.append(prepare(item))
            errors.append(None)
        except PythiaError as error:
            errors.append(error)
    found = iter(measure(prepared) if prepared else ())
    return [next(found) if error is None else error for error in errors]
