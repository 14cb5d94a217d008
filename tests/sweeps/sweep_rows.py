"""Rows as a sweep's table has them, made up."""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Iterable, Sequence
from typing import Any

from pythia_cli.suite.steps import TOKENS_PER_STEP

Rows = list[dict[str, Any]]


def row(model: str = "pythia-70m", step: int = 0, value: float | None = 0.5, **more: Any) -> Any:
    """One row; `more` replaces its other columns."""
    fields = {
        "model": model,
        "step": step,
        "tokens_seen": step * TOKENS_PER_STEP,
        "precision": "exact",
        "measure": "pairs",
        "input": "blimp.jsonl",
        "group": None,
        "figure": "accuracy",
        "value": value,
        "stderr": None if value is None else 0.02,
        "n": 1000,
        "weights_sha256": hashlib.sha256(repr((model, step)).encode()).hexdigest(),
        "quantization": "int8",
    }
    fields.update(more)
    fields["cell"] = hashlib.sha256(repr(fields).encode()).hexdigest()[:16]
    return fields


def curve(level: float, **columns: Any) -> Rows:
    """A row for each of `steps`, whose values rise from 0.5 and have `level` as their end."""
    steps: Sequence[int] = columns.pop("steps")
    noise = random.Random(repr((level, sorted(columns.items()))))
    rows = []
    for step in steps:
        risen = 1 / (1 + math.exp(-1.6 * (math.log1p(step) - 6.5)))
        value = 0.5 + (level - 0.5) * risen + noise.gauss(0, 0.008)
        rows.append(row(step=step, value=value, **columns))
    return rows


def sweep(models: Iterable[str], steps: Sequence[int], *, certified: bool = False) -> Rows:
    """Accuracy of pairs, with three groups, and perplexity of a text; perhaps certificates."""
    rows: Rows = []
    for i, model in enumerate(models):
        level = 0.72 + 0.05 * i
        rows += curve(level, model=model, steps=steps)
        rows += curve(level, model=model, steps=steps, figure="mean_difference")
        for j, group in enumerate(("anaphor_agreement", "npi_licensing", "island_effects")):
            rows += curve(level + 0.06 * (1 - j), model=model, steps=steps, group=group)
        for point in curve(0.9 + i / 20, model=model, steps=steps):
            value = 50_000 ** (2.05 - 1.9 * point["value"])
            columns = {"measure": "perplexity", "input": "eval.txt", "figure": "perplexity"}
            rows.append(row(model, point["step"], value, stderr=value / 30, **columns))
        if certified:
            for step in steps:
                columns = {"measure": "certificate", "input": "eval.txt", "stderr": None}
                kl = 0.0004 * (1 + math.log1p(step)) * (1 + i)
                rows.append(row(model, step, kl, figure="kl_mean", **columns))
                rows.append(row(model, step, 1 - kl, figure="top1_agreement", **columns))
    return rows
