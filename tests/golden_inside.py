"""What the authorities see inside the models: tests/golden/inside (golden/README.md)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

INSIDE = Path(__file__).parent / "golden" / "inside"

# A folder as the package tuned-lens saves it: config.json and params.pt, for the demo's step 3000.
TUNED_LENS = INSIDE / "tuned_lens"

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class GoldenStream:
    """One tiny model on its golden token ids, by transformers in float32.

    hidden: [n_layers + 1, n, d_model]: what goes into each layer, and the last layer's output after
        the final norm.
    last_layer: [n, d_model]: the last layer's output before the final norm.
    attentions: [n_layers, n_heads, n, n], query by key.
    """

    hidden: Array
    last_layer: Array
    attentions: Array


@cache
def golden_streams() -> dict[str, GoldenStream]:
    """By the name of the model in models/index.json."""
    stored = arrays("hidden_states")
    names = dict.fromkeys(key.split("/")[0] for key in stored)
    return {
        name: GoldenStream(
            *(stored[f"{name}/{kind}"] for kind in ("hidden", "last_layer", "attentions"))
        )
        for name in names
    }


@cache
def golden_activations() -> dict[str, Array]:
    """By TransformerLens' name, of the demo's step 3000, layers 0 and 5; and `token_ids` [n]."""
    return arrays("activations")


@cache
def golden_head_tokens() -> Array:
    """[20, 50]: 25 random tokens twice, without <|endoftext|>."""
    ids: Array = arrays("heads")["token_ids"]
    return ids


def golden_head_scores(
    step: int, pattern: str, *, bos: bool, measure: str = "mul", excluded: str = "none"
) -> Array:
    """[20, n_layers, n_heads]: detect_head of each sequence, at step 512 or 3000.

    pattern: previous_token_head, duplicate_token_head or induction_head.
    measure: mul or abs. excluded: none, bos, current_token or both.
    """
    stored = _heads()
    choices = {
        "step": step,
        "bos": "bos" if bos else "no_bos",
        "pattern": pattern,
        "measure": measure,
        "excluded": excluded,
    }
    at = tuple(stored[axis].tolist().index(choice) for axis, choice in choices.items())
    scores: Array = stored["scores"][at]
    return scores


@cache
def _heads() -> dict[str, Array]:
    return arrays("heads")


@cache
def golden_lens() -> dict[str, Array]:
    """`token_ids` [n]; `logit_...` [7, ...] and `tuned_...` [6, ...] of nll, rank, kl, top, ..."""
    return arrays("lens")


@cache
def golden_windows() -> dict[str, Array]:
    """`token_ids` [3, 512], `step` [2], `nll` [2, 3, 512] of each token, in nats."""
    return arrays("windows")


@cache
def golden_weights() -> dict[str, Array]:
    """`name` [26], `shape`, `step` [2]; `frobenius` [2, 26], `distance`, `singular_values`."""
    return arrays("weights")


def arrays(name: str) -> dict[str, Array]:
    """All arrays of a file."""
    with np.load(INSIDE / f"{name}.npz") as data:
        return {key: data[key] for key in data.files}
