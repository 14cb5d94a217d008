"""The tiny models of tests/golden/models, by name, and what their index says of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

MODELS = Path(__file__).parent / "golden" / "models"
ENTRIES: dict[str, dict[str, Any]] = {
    entry["name"]: entry
    for entry in json.loads((MODELS / "index.json").read_text(encoding="utf-8"))
}
NAMES = list(ENTRIES)


def golden(name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """token_ids [n] int64, and the logits [n, d_vocab] that transformers gives for them."""
    with np.load(MODELS / name / "golden.npz") as data:
        return data["token_ids"].astype(np.int64), data["logits"]
