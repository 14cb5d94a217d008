"""Norms and spectra of the float weights, as a sweep takes them. Names of parameters are inputs."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from pythia_cli.library.model import Model
from pythia_cli.measures.weight_items import (
    ONE_AT_A_TIME,
    FloatWeights,
    ParameterItems,
    WeightMeasure,
    weight_columns,
)
from pythia_cli.measures.weight_parameters import ALL, names_matching
from pythia_cli.reporting import Reporter
from pythia_cli.sweeps.cell_rows import CellRows
from pythia_cli.sweeps.figures import Figure
from pythia_cli.tables.layout import RowLayout
from pythia_cli.tables.read_table import read_rows

_EVERY = "all"
_AVERAGED = ("frobenius_norm", "rms", "spectral_norm", "stable_rank", "effective_rank")


@dataclass(frozen=True)
class SweptWeights:
    """`pythia weights` of each checkpoint alone: without distances.

    An input is `all`, or a name or pattern of parameters. Figures: frobenius_norm and rms of all of
    them as one vector, of n parameters; and by group, a parameter (of attention.query_key_value
    also its parts, as NAME.q), the mean of each figure over its n layers.
    """

    name: ClassVar[str] = "weights"
    takes_files: ClassVar[bool] = False

    def check(self, source: str, reporter: Reporter) -> None:
        """As SweepMeasure.check. Raises UnknownName."""
        _names(source)

    def sha256(self, source: str) -> str:
        """As SweepMeasure.sha256: over the names."""
        return hashlib.sha256(" ".join(_names(source)).encode()).hexdigest()

    def take(self, model: Model, source: str, rows: Path, reporter: Reporter) -> list[Figure]:
        """As SweepMeasure.take. Raises NoFloatWeights."""
        items = ParameterItems(model.config, _names(source))
        with WeightMeasure(items, model.n_threads) as measure:
            CellRows(
                items,
                measure,
                RowLayout.of(items.columns, weight_columns()),
                {"measure": self.name, "parameters": _names(source), **asdict(self)},
                f"{self.name}, {model.checkpoint}",
                ONE_AT_A_TIME,
            ).write(FloatWeights(model.opened, None, reporter), rows, reporter)
        return [*_of_all(read_rows(rows), items), *_by_parameter(read_rows(rows))]


def _names(source: str) -> list[str]:
    return names_matching(ALL if source == _EVERY else [source])


def _of_all(rows: Iterable[Mapping[str, Any]], items: ParameterItems) -> Iterator[Figure]:
    norm = math.sqrt(sum(row["frobenius_norm"] ** 2 for row in rows if row["part"] is None))
    n = len(items.parameters)
    yield Figure(None, "frobenius_norm", norm, None, n)
    n_values = sum(parameter.n_values for parameter in items.parameters)
    yield Figure(None, "rms", norm / math.sqrt(n_values), None, n)


def _by_parameter(rows: Iterable[Mapping[str, Any]]) -> Iterator[Figure]:
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        part = "" if row["part"] is None else f".{row['part']}"
        groups.setdefault(f"{row['parameter']}{part}", []).append(row)
    for group, of_group in groups.items():
        for name in _AVERAGED:
            found = [row[name] for row in of_group if row[name] is not None]
            if found:
                yield Figure(group, name, _mean(found), None, len(found))


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
