"""Zero-shot results of published checkpoints, from the result files of EleutherAI/pythia.

They were made with an early version of lm-evaluation-harness, on GPUs, in half precision: expect
differences of a standard error, and larger ones where a task has changed since. Those of
pythia-2.8b up to step 43000 equal the files of pythia-2.8b-deduped, so they are no authority, and
are left out.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple


class PublishedResult(NamedTuple):
    """A figure, and its standard error."""

    value: float
    stderr: float


def published_result(
    model: str | None, step: int | None, task: str, metric: str
) -> PublishedResult | None:
    """The published figure of a task without examples, by lm-eval's names; None if there is none.

    >>> published_result("pythia-410m", 143000, "lambada_openai", "acc")
    PublishedResult(value=0.5162042, stderr=0.006962)
    """
    found = _models().get(str(model), {}).get(str(step), {}).get(task, {}).get(metric)
    return None if found is None else PublishedResult(*found)


@cache
def _models() -> dict[str, Any]:
    """Model, step, task, metric: [value, stderr]."""
    path = Path(__file__).with_name("zero_shot.json")
    models: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["models"]
    return models
