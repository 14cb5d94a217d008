"""What a sweep measures: checkpoints, measures with their options and inputs; and its cells."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pythia_cli.errors import IntegrityError
from pythia_cli.release import ARITHMETIC
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.sweeps.measures import measure_of, needs_float_weights, path_options

if TYPE_CHECKING:
    from pythia_cli.sweeps.measure import SweepMeasure

_VERSION = 1
_KEY = 16  # hexadecimal digits


@dataclass(frozen=True)
class SweepInput:
    """An input of a measure. name: as it was given. source: the file's full path, or the name."""

    name: str
    source: str
    sha256: str


@dataclass(frozen=True)
class PlannedMeasure:
    """A measure of a sweep. label: its name in the table. options: all that it has, as JSON."""

    label: str
    name: str
    options: Mapping[str, Any]
    inputs: tuple[SweepInput, ...]

    @cached_property
    def measure(self) -> SweepMeasure:
        """Made when it is needed: the status of a sweep does without. Raises as `measure_of`."""
        return measure_of(self.name, self.options)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        inputs = [vars(one) for one in self.inputs]
        return {
            "label": self.label,
            "measure": self.name,
            "options": dict(self.options),
            "inputs": inputs,
        }


@dataclass(frozen=True)
class Cell:
    """One measure of one input at one checkpoint.

    key: a hash of all that determines its figures, but for the checkpoint: the measure, its
    options but for paths, the input's content, precision, and the version of the arithmetic. So a
    result is found again whatever the sweep is called, and never taken for that of another input
    or option.
    """

    checkpoint: Checkpoint
    planned: PlannedMeasure
    input: SweepInput
    key: str

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.planned.name}-{self.key}"

    def __str__(self) -> str:
        return f"{self.planned.label} of {self.input.name} at {self.checkpoint}"


@dataclass(frozen=True)
class SweepPlan:
    """Checkpoints, in the order in which they are measured, and measures.

    precision, dtype, plain_text: as for `load`.
    """

    checkpoints: tuple[Checkpoint, ...]
    measures: tuple[PlannedMeasure, ...]
    precision: str = "exact"
    dtype: str = "int8"
    plain_text: bool = False

    def cells_of(self, checkpoint: Checkpoint) -> list[Cell]:
        """The cells of one checkpoint, in the order of the table."""
        return [
            Cell(checkpoint, planned, one, key)
            for (planned, one), key in zip(self._measured, self._keys, strict=True)
        ]

    @property
    def n_cells(self) -> int:
        """How many cells there are."""
        return len(self.checkpoints) * len(self._measured)

    @property
    def needs_float_weights(self) -> bool:
        """Whether float weights are to be kept beside what is fetched."""
        return self.dtype == "float32" or any(needs_float_weights(m.name) for m in self.measures)

    @cached_property
    def _measured(self) -> list[tuple[PlannedMeasure, SweepInput]]:
        return [(planned, one) for planned in self.measures for one in planned.inputs]

    @cached_property
    def _keys(self) -> list[str]:
        return [self._key(planned, one) for planned, one in self._measured]

    def _key(self, planned: PlannedMeasure, one: SweepInput) -> str:
        options = {**planned.options, **dict.fromkeys(path_options(planned.name))}
        content = {
            "measure": planned.name,
            "options": options,
            "input": one.sha256,
            "precision": self.precision,
            "dtype": self.dtype,
            "plain_text": self.plain_text,
            "arithmetic": ARITHMETIC[self.precision],
        }
        written = json.dumps(content, sort_keys=True).encode()
        return hashlib.sha256(written).hexdigest()[:_KEY]

    def to_dict(self) -> dict[str, Any]:
        """For JSON, as `of_dict` reads it."""
        return {
            "version": _VERSION,
            "checkpoints": [[one.model, one.step] for one in self.checkpoints],
            "measures": [planned.to_dict() for planned in self.measures],
            "precision": self.precision,
            "dtype": self.dtype,
            "plain_text": self.plain_text,
        }

    @classmethod
    def of_dict(cls, content: Mapping[str, Any], path: Any) -> SweepPlan:
        """Raises IntegrityError, with `path`, for what `to_dict` did not make."""
        try:
            if content["version"] != _VERSION:
                raise ValueError("written by another version of pythia")
            measures = tuple(_planned(one) for one in content["measures"])
            checkpoints = tuple(Checkpoint(model, step) for model, step in content["checkpoints"])
            how = {name: content[name] for name in ("precision", "dtype", "plain_text")}
            if how["precision"] not in tuple(ARITHMETIC):
                raise ValueError(f"precision {how['precision']!r}")
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(path, f"is not the plan of a sweep ({error})") from error
        return cls(checkpoints, measures, **how)


def _planned(content: Mapping[str, Any]) -> PlannedMeasure:
    inputs = tuple(SweepInput(**one) for one in content["inputs"])
    return PlannedMeasure(content["label"], content["measure"], dict(content["options"]), inputs)
