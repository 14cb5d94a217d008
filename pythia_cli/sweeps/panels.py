"""What a plot of a sweep shows: its panels, and what distinguishes each line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pythia_cli.sweeps.curves import (
    ERROR_FIGURE,
    Curve,
    Names,
    Row,
    XAxis,
    curves_of,
    differing_parts,
)
from pythia_cli.sweeps.table import CERTIFICATE

N_COLOURS, N_DASHES = 7, 4
"""How many colours and kinds of line a view has."""


@dataclass(frozen=True)
class Panel:
    """The curves of one figure of one measure."""

    measure: str
    figure: str
    curves: tuple[Curve, ...]

    @property
    def title(self) -> str:
        """The figure and its measure, with what several curves share, which no label has.

        Of a single curve, whose label is the model, the input and the group.
        """
        parts = [self.measure] if self.measure != self.figure else []
        for part in ("model", "input", "group")[len(self.curves) == 1 :]:
            values = {getattr(curve, part) for curve in self.curves}
            parts += [str(value) for value in values if len(values) == 1 and value is not None]
        if self.measure == CERTIFICATE:
            parts[0] = "quantization error"
        return f"{self.figure} ({', '.join(parts)})" if parts else self.figure

    @property
    def values(self) -> list[float]:
        """The values of all curves."""
        points = (point for curve in self.curves for point in curve.points)
        return [point.value for point in points if point.value is not None]


def panels_of(
    rows: Sequence[Row],
    *,
    measure: Names = None,
    input: Names = None,
    group: Names = None,
    figure: Names = None,
    x: XAxis = "step",
) -> list[Panel]:
    """A panel for each measure and figure of the chosen rows, which are those of `curves_of`.

    Behind them one with the quantization error (kl_mean) of the models shown, if the rows have
    certificates. Raises what `curves_of` raises.
    """
    chosen = curves_of(rows, measure=measure, input=input, group=group, figure=figure, x=x)
    panels = _by_figure(chosen)
    models = {curve.model for curve in chosen}
    errors = [
        row
        for row in rows
        if row["measure"] == CERTIFICATE
        and row["figure"] == ERROR_FIGURE
        and row["model"] in models
    ]
    if all(panel.measure != CERTIFICATE for panel in panels):
        panels += _by_figure(curves_of(errors, x=x))
    return panels


def _by_figure(curves: Iterable[Curve]) -> list[Panel]:
    found: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:
        found.setdefault((curve.measure, curve.figure), []).append(curve)
    return [Panel(*names, tuple(of_panel)) for names, of_panel in found.items()]


@dataclass(frozen=True)
class Look:
    """How a line is drawn: numbers of a colour, of a kind of line and of a marker, from 0."""

    colour: int
    dash: int
    marker: int


def looks(panels: Sequence[Panel]) -> list[list[Look]]:
    """How each curve of each panel is drawn.

    Several models: a colour for each, the same in all panels. One model: a colour for each input,
    or for each group if there is one input. What else differs makes the kind of line. Where these
    do not suffice, all combinations are used one after the other.
    """
    models = list(dict.fromkeys(curve.model for panel in panels for curve in panel.curves))
    return [_looks_within(panel.curves, models) for panel in panels]


def _looks_within(curves: Sequence[Curve], models: list[str]) -> list[Look]:
    differing = differing_parts(curves)
    coloured = "model" if len(models) > 1 or not differing else differing[0]
    rest = [part for part in differing if part != coloured]
    colours: list[str | None] = [getattr(curve, coloured) for curve in curves]
    order = list(dict.fromkeys(models if coloured == "model" else colours))
    others = [tuple(getattr(curve, part) for part in rest) for curve in curves]
    dashes = list(dict.fromkeys(others))
    if len(order) > N_COLOURS or len(dashes) > N_DASHES:
        # Beyond all colours and kinds of line, each colour has another marker.
        return [
            Look(
                i % N_COLOURS,
                i // N_COLOURS % N_DASHES,
                (i + i // (N_COLOURS * N_DASHES)) % N_COLOURS,
            )
            for i in range(len(curves))
        ]
    found = [order.index(colour) for colour in colours]
    return [
        Look(colour, dashes.index(other), colour)
        for colour, other in zip(found, others, strict=True)
    ]
