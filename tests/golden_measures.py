"""What the authorities say of the built-in demo: tests/golden/words, blimp and lm_eval."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).parent / "golden"

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class GoldenText:
    """One of 500 texts of n tokens, behind <|endoftext|>; figures in nats, as in README.md.

    `figures` holds `token_ids`, `nll` [n]; `entropy`, `log_space`, `log_end`, `log_white`,
    `log_added` [n + 1]; and what each authority gives, `wordsprobability_...` and `minicons_...`,
    empty where it fails. `words` and `lines` are the authorities' words; `failed` has the name of
    the exception of an authority that fails.
    """

    text: str
    kind: str
    figures: dict[str, Array]
    words: dict[str, list[str]]
    lines: list[int]
    failed: dict[str, str]


@cache
def golden_texts() -> list[GoldenText]:
    """All texts, in the order of texts.json."""
    entries = json.loads((GOLDEN / "words" / "texts.json").read_text(encoding="ascii"))
    with np.load(GOLDEN / "words" / "golden.npz") as data:
        stored = {name: data[name] for name in data.files}
    columns = {
        name: np.split(stored[name], np.cumsum(stored[f"{name}_length"], dtype=np.int64)[:-1])
        for name in stored
        if not name.endswith("_length")
    }
    return [
        GoldenText(
            entry["text"],
            entry["kind"],
            {name: parts[i] for name, parts in columns.items()},
            {name: entry[name].get("words", []) for name in ("wordsprobability", "minicons")},
            entry["wordsprobability"].get("lines", []),
            {
                name: entry[name]["error"]
                for name in ("wordsprobability", "minicons")
                if "error" in entry[name]
            },
        )
        for i, entry in enumerate(entries)
    ]


@cache
def token_sets() -> dict[str, list[int]]:
    """Token ids of the sets `space`, `end`, `white` and `added`."""
    sets = json.loads((GOLDEN / "words" / "sets.json").read_text(encoding="ascii"))
    return {name: list(ids) for name, ids in sets.items()}


@cache
def golden_blimp() -> dict[str, Array]:
    """`uid` [8]; `correct` [8, 1000]; `logprob`, `logprob_no_space`, `n_tokens` [8, 1000, 2]."""
    with np.load(GOLDEN / "blimp" / "golden.npz") as data:
        return {name: data[name] for name in data.files}


@cache
def golden_lm_eval() -> dict[str, Any]:
    """By task: {"requests": [...], "steps": {"64": {"metrics": {...}, "answers": [...]}, ...}}."""
    results = json.loads((GOLDEN / "lm_eval" / "results.json").read_text(encoding="ascii"))
    tasks: dict[str, Any] = results["tasks"]
    return tasks
