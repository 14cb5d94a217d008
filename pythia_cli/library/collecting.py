"""Measures of a model as rows in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from pythia_cli.errors import InvalidValue
from pythia_cli.model.open_model import OpenModel

if TYPE_CHECKING:  # generating needs none of these, and its first token waits for no import
    from pythia_cli.tables.kinds import Kind
    from pythia_cli.tables.records import Records
    from pythia_cli.tables.running import Measure

_T = TypeVar("_T")


class CollectingModel(OpenModel):
    """An OpenModel that collects the rows of measures."""

    def _collect(
        self,
        name: str,
        given: Iterable[Any],
        column: str | None,
        columns: Mapping[str, Kind],
        measure: Measure[Any, Any],
        skip_errors: bool,
        left_out: Collection[str] = (),
    ) -> Records:
        """The rows of a measure of what is given. name: the argument that it is."""
        from pythia_cli.tables.records import collect
        from pythia_cli.tables.text_items import TextItems

        return collect(
            TextItems(several(name, given), column, name),
            columns,
            [lambda: contextlib.nullcontext(self)],
            measure,
            left_out=left_out,
            skip_errors=skip_errors,
            reporter=self.reporter,
        )


def several(name: str, given: Iterable[_T]) -> Iterable[_T]:
    """What is given. Raises InvalidValue if it is a single one."""
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise InvalidValue(name, given, "several of them, in a list")
    return given
