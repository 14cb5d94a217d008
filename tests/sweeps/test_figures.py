"""Figures from what measures count."""

from __future__ import annotations

import math

from pythia_cli.sweeps.figures import Figure, figures_of


def test_standard_errors_belong_to_their_figures() -> None:
    counted = {"n": 4, "accuracy": 0.5, "stderr": 0.1, "score": 1.0, "score_stderr": 0.2, "x": 3}
    assert figures_of(counted, "g", "accuracy") == [
        Figure("g", "accuracy", 0.5, 0.1, 4),
        Figure("g", "score", 1.0, 0.2, 4),
        Figure("g", "x", 3, None, 4),
    ]


def test_what_is_not_finite_is_not_known() -> None:
    counted = {"n": 1, "a": math.inf, "a_stderr": math.nan, "b": None, "named": "text"}
    assert figures_of(counted, None, "") == [
        Figure(None, "a", None, None, 1),
        Figure(None, "b", None, None, 1),
    ]
