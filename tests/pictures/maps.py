"""Heat maps to draw."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pythia_cli.pictures.heat_map import HeatMap


def heads(
    steps: Sequence[int] = (0, 3000),
    kinds: Sequence[str] = ("induction",),
    shape: tuple[int, int] = (24, 16),
    **more: Any,
) -> list[HeatMap]:
    """Scores of heads from 0 to 0.9, other ones in each map."""
    random = np.random.default_rng(0)
    return [
        HeatMap(
            "pythia-410m",
            "layer",
            "head",
            random.uniform(0, 0.9, shape),
            panel=kind,
            name=f"step {step}",
            **{"value_name": "mean attention", "low": 0.0, **more},
        )
        for kind in kinds
        for step in steps
    ]


def of(values: Any, **more: Any) -> HeatMap:
    """A map of these values."""
    return HeatMap("", "row", "column", np.array(values, float), **more)
