"""Branches on the Hub that are reported to hold wrong weights, or none.

From github.com/EleutherAI/pythia/issues. We have not checked them, and some may be fixed by now.
`pythia checkpoint audit` shows what the Hub holds today.
"""

from __future__ import annotations

from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.models import MODELS


def known_problem(checkpoint: Checkpoint) -> str | None:
    """The reported problem of this branch, with issue numbers; None if there is none."""
    model, step = checkpoint.model, checkpoint.step
    if model not in MODELS:
        return None
    if model == "pythia-2.8b" and (step in _FINAL_OF_2_8B or step <= 53000):
        return "it holds the weights of the end of training (issues 205 and 195)"
    if model == "pythia-12b" and step in (50000, 58000):
        return "its first shard is that of the end of training (issue 206)"
    if (model, step) in _WITHOUT_WEIGHTS:
        return "it holds no weights (issue 202)"
    if step in (0, 1, 2):
        return "steps 0, 1 and 2 hold identical weights (issues 83 and 198)"
    return None


_FINAL_OF_2_8B = frozenset(
    1000 * thousand
    for thousand in (
        *(54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 70, 80, 90, 100, 103, 110, 120, 130, 140),
    )
)
_WITHOUT_WEIGHTS = frozenset(
    {("pythia-410m-seed9", 40000), ("pythia-410m-seed6", 88000), ("pythia-410m-seed2", 111000)}
)
