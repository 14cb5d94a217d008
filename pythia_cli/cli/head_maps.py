"""Scores of heads as heat maps: a map for each kind and checkpoint, layers by heads."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.file_output import check_regular, refuse_one_file, write_whole
from pythia_cli.cli.heat_output import print_heat_maps
from pythia_cli.cli.tables import print_table

if TYPE_CHECKING:
    from pythia_cli.pictures.heat_map import HeatMap
    from pythia_cli.tables.layout import RowLayout
    from pythia_cli.tables.progress import MeasuredCheckpoint

_N_STRONGEST = 3


def check_picture(path: Path | None, rows: Path | None) -> None:
    """Raise what drawing to this file would raise, before anything is measured.

    rows: another output. Raises CommandError, InputError, ResourceError, and MissingExtra without
    matplotlib.
    """
    from pythia_cli.pictures.style import SUFFIXES, plot_style

    if path is None:
        return
    if path.suffix.lower() not in SUFFIXES:
        raise CommandError(f"--map {path} is no {', '.join(SUFFIXES)}", hint="--map FILE.svg")
    refuse_one_file(rows, path)
    check_regular(path)
    with plot_style():
        pass


class HeadMaps:
    """A RowSummary that keeps the scores, and prints heat maps in a terminal."""

    def __init__(self) -> None:
        self._rows: list[Mapping[str, Any]] = []

    def begin(self, layout: RowLayout) -> None:
        """As RowSummary.begin."""
        self._rows.clear()

    def add_all(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """As RowSummary.add_all."""
        self._rows.extend(rows)

    def print(self, checkpoints: Sequence[MeasuredCheckpoint]) -> None:
        """Print the maps, and the strongest heads of each."""
        if not sys.stdout.isatty():
            return
        print_heat_maps(self.maps())
        print()
        print_table(["strongest", "step", "head", "score", "attention"], list(self._strongest()))

    def maps(self) -> list[HeatMap]:
        """A map for each kind and checkpoint."""
        from pythia_cli.pictures.heat_map import HeatMap

        maps = []
        for (kind, model, step), rows in self._grouped().items():
            n_layers, n_heads = (max(row[axis] for row in rows) + 1 for axis in ("layer", "head"))
            values = np.full((n_layers, n_heads), np.nan)
            for row in rows:
                values[row["layer"], row["head"]] = row["score"]
            maps.append(
                HeatMap(
                    title=str(model),
                    row_name="layer",
                    column_name="head",
                    values=values,
                    panel=f"{kind} heads",
                    name="" if step is None else f"step {step}",
                    value_name="score: the share of attention",
                    low=0.0,
                )
            )
        return maps

    def draw(self, path: Path) -> None:
        """Draw the maps to a file. Raises TooManyMaps, InputError, ResourceError."""
        from pythia_cli.pictures.heat_drawing import heat_maps_picture

        write_whole(path, heat_maps_picture(self.maps(), path.suffix))

    def _grouped(self) -> dict[tuple[str, str, int | None], list[Mapping[str, Any]]]:
        """The rows of each kind, model and step, in their order, kinds first."""
        found: dict[tuple[str, str, int | None], list[Mapping[str, Any]]] = {}
        for row in self._rows:
            if row.get("score") is not None:
                found.setdefault((row["kind"], row["model"], row["step"]), []).append(row)
        kinds = list(dict.fromkeys(kind for kind, _, _ in found))
        return {key: found[key] for kind in kinds for key in found if key[0] == kind}

    def _strongest(self) -> Iterable[list[str]]:
        for (kind, _, step), rows in self._grouped().items():
            for row in sorted(rows, key=lambda row: -row["score"])[:_N_STRONGEST]:
                head = f"{row['layer']}.{row['head']}"
                figures = [f"{row[name]:.4f}" for name in ("score", "attention")]
                yield [kind, "" if step is None else str(step), head, *figures]
