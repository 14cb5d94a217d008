"""Figures of the float weights of checkpoints: a row for each parameter, and each part of one."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import cached_property, partial
from typing import Any, Self

import numpy as np

from pythia_cli.checkpoints.open_checkpoint import OpenCheckpoint
from pythia_cli.errors import InvalidValue
from pythia_cli.measures.weight_figures import FIGURE_COLUMNS, WeightFigures, weight_figures
from pythia_cli.measures.weight_parameters import ALL, WeightName, parameters_of
from pythia_cli.model.open_model import OpenModel
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.config import ModelConfig
from pythia_cli.system.ahead import Ahead
from pythia_cli.tables.batch_size import Limits
from pythia_cli.tables.item import Item
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.records import Records, collect
from pythia_cli.tables.text_items import TextItems
from pythia_cli.weights.float_checkpoint import FloatCheckpoint

_SINGULAR_VALUES, _PREVIOUS_STEP = "singular_values", "previous_step"
_MOST_BYTES = 2e9  # of parameters that are measured at the same time

ONE_AT_A_TIME = Limits(items=1)
"""For `run_items`: the measure works ahead, so each row is written as soon as it is there."""

Spectra = Callable[["FloatWeights", str, np.ndarray[Any, Any]], object]
"""Takes the singular values s [n] of a parameter, by its published name; NAME.q is a part of it."""


def weight_columns(*, singular_values: bool = False) -> dict[str, Kind]:
    """The columns of the measure. singular_values: with a list of these."""
    columns: dict[str, Kind] = {}
    for name, kind in FIGURE_COLUMNS.items():
        if name == "distance":
            columns[_PREVIOUS_STEP] = int
        columns[name] = kind
    return {**columns, _SINGULAR_VALUES: object} if singular_values else columns


class ParameterItems(TextItems):
    """The parameters of a model of this shape, as items of `run_items`; n_bytes as float32.

    wanted: patterns of names; see `parameters_of`, which raises UnknownName.
    """

    def __init__(self, config: ModelConfig, wanted: Iterable[str] = ALL) -> None:
        self.config, self.parameters = config, parameters_of(config, wanted)
        super().__init__(
            [{"layer": one.layer, "parameter": one.name} for one in self.parameters],
            "parameter",
            "parameters",
        )
        self.n_bytes = sum(item.n_bytes for item in self)
        self.columns = {"layer": int, "parameter": str}

    def _item(self, number: int, given: str | Mapping[str, Any]) -> Item:
        n_bytes = 4 * self.parameters[number - 1].n_values
        return replace(super()._item(number, given), n_bytes=n_bytes)


class FloatWeights:
    """The float weights of an open checkpoint, as `run_items` has them measured.

    previous: those of the earlier checkpoint; None: there is none.
    """

    def __init__(
        self,
        opened: OpenCheckpoint,
        previous: FloatWeights | None = None,
        reporter: Reporter = SILENT,
    ) -> None:
        self.opened, self.previous, self._reporter = opened, previous, reporter

    @property
    def certificate(self) -> None:
        """Nothing is quantized."""
        return None

    def provenance(self) -> dict[str, Any]:
        """As of a model in float32."""
        how = {"dtype": "float32", "precision": None, "plain_text": None, "quantization": None}
        return {**self.opened.provenance(), **how}

    @cached_property
    def floats(self) -> FloatCheckpoint:
        """The files. Raises as `OpenCheckpoint.float_checkpoint`, which hashes them."""
        return self.opened.float_checkpoint(self._reporter)


def weight_openers(
    openers: Sequence[Callable[[], AbstractContextManager[OpenModel]]], reporter: Reporter = SILENT
) -> list[Callable[[], AbstractContextManager[FloatWeights]]]:
    """What opens the weights of these models, each with those before it as `previous`."""
    last: list[FloatWeights] = []

    @contextlib.contextmanager
    def opened_by(opener: Callable[[], AbstractContextManager[OpenModel]]) -> Iterator[Any]:
        with opener() as model:
            previous = last.pop() if last else None
            if previous is not None:
                previous.previous = None
            last.append(FloatWeights(model.opened, previous, reporter))
            yield last[0]

    return [partial(opened_by, opener) for opener in openers]


class WeightMeasure:
    """A measure for `run_items`: of the weights of a checkpoint and these parameters.

    Up to n_threads parameters are measured at a time, fewer if they are large. The figures do not
    depend on it. A context manager: leaving it ends what is measured ahead. singular_values: each
    record has them. spectra: is given them, in the order of the rows.
    """

    def __init__(
        self,
        items: ParameterItems,
        n_threads: int = 1,
        *,
        singular_values: bool = False,
        spectra: Spectra | None = None,
    ) -> None:
        self._items, self._n_threads = items, n_at_a_time(items.config, n_threads)
        self._has_values, self._spectra = singular_values, spectra
        self._weights: FloatWeights | None = None
        self._stack = contextlib.ExitStack()
        self._found: Iterator[list[WeightFigures]] = iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def __call__(self, weights: FloatWeights, batch: Sequence[Item]) -> list[list[dict[str, Any]]]:
        """The records of each of these items, which follow those of the call before.

        Raises what `FloatWeights.floats` and `weight_figures` raise, and InvalidValue for another
        shape than that of the items.
        """
        if weights is not self._weights:
            self._begin(weights, batch[0].number)
        return [self._records(weights, item.number, next(self._found)) for item in batch]

    def _begin(self, weights: FloatWeights, number: int) -> None:
        self._stack.close()
        self._weights = weights
        for one in (weights, weights.previous):
            if one is not None and one.floats.config != self._items.config:
                name = str(one.opened.checkpoint)
                raise InvalidValue("checkpoint", name, "one of the same shape as the others")
        previous = None if weights.previous is None else weights.previous.floats
        floats = weights.floats
        ahead = Ahead(
            lambda parameter: weight_figures(floats, parameter, previous),
            self._items.parameters[number - 1 :],
            self._n_threads,
            "pythia-weights",
        )
        self._found = iter(self._stack.enter_context(ahead))

    def _records(
        self, weights: FloatWeights, number: int, found: list[WeightFigures]
    ) -> list[dict[str, Any]]:
        parameter = self._items.parameters[number - 1]
        previous = weights.previous
        step = None if previous is None else previous.provenance()["step"]
        records = []
        for one in found:
            record = {**one.to_dict(), _PREVIOUS_STEP: step}
            if self._has_values:
                record[_SINGULAR_VALUES] = one.singular_values
            if self._spectra is not None and one.singular_values is not None:
                self._spectra(weights, full_name(parameter, one.part), one.singular_values)
            records.append(record)
        return records


def collect_figures(
    model: OpenModel,
    previous: OpenModel | None,
    wanted: Iterable[str] = ALL,
    *,
    singular_values: bool = False,
) -> Records:
    """The rows of a model, in memory: `Model.weight_figures`, which says what it raises."""
    reporter = model.reporter
    before = None if previous is None else FloatWeights(previous.opened, None, reporter)
    weights = FloatWeights(model.opened, before, reporter)
    items = ParameterItems(model.config, wanted)
    with WeightMeasure(items, model.n_threads, singular_values=singular_values) as measure:
        return collect(
            items,
            weight_columns(singular_values=singular_values),
            [lambda: contextlib.nullcontext(weights)],
            measure,
            reporter=reporter,
        )


def full_name(parameter: WeightName, part: str | None) -> str:
    """The published name of a parameter; of a part, with `.q`, `.k` or `.v` behind it."""
    return parameter.published if part is None else f"{parameter.published}.{part}"


def n_at_a_time(config: ModelConfig, n_threads: int) -> int:
    """How many parameters are measured at a time: so many that they take at most 2 GB, or one."""
    grams = 6 * 8 * config.d_model**2  # of a matrix and its parts, and room to work
    n_bytes = grams + 4 * config.d_model * config.d_mlp + 3 * (8 << 20)
    return max(1, min(n_threads, int(_MOST_BYTES // n_bytes)))
