"""What is drawn of a lens: a cell for each layer and token, coloured by a figure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from pythia_cli.measures.lens import LensedText
from pythia_cli.measures.lens_figures import LensFigures
from pythia_cli.text.spelling import in_cell
from pythia_cli.text.tokenizer import PythiaTokenizer

Shade = Literal["prob", "nll", "kl", "entropy"]
"""What colours the cells."""

SHADES: dict[Shade, str] = {
    "prob": "probability of the likeliest token",
    "nll": "nll of the next token, in nats",
    "kl": "KL to the model's prediction, in nats",
    "entropy": "entropy, in nats",
}

_PROBABILITIES, _NATS = (0.1, 0.3, 0.6, 0.9), (1.0, 2.0, 4.0, 8.0)
BOUNDS: dict[Shade, tuple[float, ...]] = {
    shade: _PROBABILITIES if shade == "prob" else _NATS for shade in get_args(Shade)
}
"""Values from which a cell has level 1, 2, 3 and 4."""


@dataclass(frozen=True, eq=False)
class LensGrid:
    """Cells of layers, from 0, and of positions.

    tokens, targets: for each position; a target is empty behind the last token. cells: for each
    layer and position, the likeliest token. is_target [n_layers + 1, m]: whether that is the next
    token of the text. values [n_layers + 1, m]: of the figure that colours; NaN without one.
    """

    shade: Shade
    positions: list[int]
    tokens: list[str]
    targets: list[str]
    cells: list[list[str]]
    is_target: np.ndarray[Any, Any]
    values: np.ndarray[Any, Any]

    @classmethod
    def of(cls, lensed: LensedText, tokenizer: PythiaTokenizer, shade: Shade) -> LensGrid:
        """The cells of a text."""

        def text_of(token_id: int) -> str:
            return in_cell(tokenizer.token_bytes(token_id), token_id)

        ids, targets = lensed.token_ids[lensed.positions].tolist(), lensed.targets.tolist()
        best = lensed.figures.top_ids[..., 0]
        return cls(
            shade,
            lensed.positions.tolist(),
            [text_of(token_id) for token_id in ids],
            ["" if target < 0 else text_of(target) for target in targets],
            [[text_of(token_id) for token_id in row] for row in best.tolist()],
            best == lensed.targets,
            values_of(lensed.figures, shade),
        )


def values_of(figures: LensFigures, shade: Shade) -> np.ndarray[Any, Any]:
    """[n_layers + 1, m] of a figure."""
    if shade == "prob":
        likeliest: np.ndarray[Any, Any] = figures.top_probs[..., 0]
        return likeliest
    found: np.ndarray[Any, Any] = getattr(figures, shade)
    return found


def level_of(value: float, shade: Shade) -> int:
    """0 to 4; 0 for NaN too."""
    return sum(value >= bound for bound in BOUNDS[shade])
