"""Training steps: which are published, and how they are spelled."""

from __future__ import annotations

import re

from pythia_cli.errors import UnknownName, UsageError
from pythia_cli.suite.models import DEMO, MODELS, has_early_steps

TOKENS_PER_STEP = 2_097_152
"""Of every published model (the repository's README).

The v0 models of 160m, 410m and 1.4b were trained on twice as many tokens a step, but their branches
are named as if it had been this number: step1000 is their 500th.
"""
EARLY_STEPS = (0, *(2**i for i in range(10)))
LATE_STEPS = tuple(range(1000, 143_001, 1000))
STEPS = (*EARLY_STEPS, *LATE_STEPS)
"""The 154 published steps: 0, 1, 2, 4 .. 512, 1000, 2000 .. 143000."""
DEMO_STEPS = (0, 64, 512, 3000)

STEP_NAME = re.compile(r"(?:step)?([0-9]{1,9})")
RANGE = re.compile(r"(?:step)?([0-9]{1,9}):(?:step)?([0-9]{1,9})(?::([0-9]{1,9}))?")
_SEVERAL = re.compile(rf".*,.*|all|log|{RANGE.pattern}")


def steps_of(model: str) -> tuple[int, ...] | None:
    """The published steps; None for a model that the user named."""
    if model in MODELS:
        return STEPS if has_early_steps(model) else LATE_STEPS
    return DEMO_STEPS if model == DEMO else None


def parse_step(model: str, text: str) -> int:
    """Parse a step of this model: `3000`, `step3000` or `main` (the last step).

    Raises UnknownName, with the nearest steps, if there is no such checkpoint, and UsageError for
    several steps.
    """
    steps = steps_of(model)
    if text == "main" and steps is not None:
        return steps[-1]
    match = STEP_NAME.fullmatch(text)
    if match is None and _SEVERAL.fullmatch(text):
        raise UsageError(f"{text!r} names several steps, where one is expected")
    if match is None:
        nearest = ["main"] if steps is not None else []
        raise UnknownName(f"checkpoint of {model}", text, nearest)
    step = int(match.group(1))
    if steps is not None and step not in steps:
        nearest_steps = sorted(sorted(steps, key=lambda s: abs(s - step))[:2])
        raise UnknownName(f"checkpoint of {model}", text, [str(s) for s in nearest_steps])
    return step
