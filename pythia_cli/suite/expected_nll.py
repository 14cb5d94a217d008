"""How well a published checkpoint of each step predicts plain English, in wide bounds.

An untrained model gives every token about the same probability: ln(d_vocab), 10.8 nats. In the
published results (evals/pythia-v1 of github.com/EleutherAI/pythia) LAMBADA's perplexity is within
4 % of step 0's up to step 8, has fallen to about a quarter by step 256, to about a thousandth by
step 1000, and below a ten-thousandth by step 13000. The bounds are wide, so that a model of any
size should stay within them, and still tell the beginning of training from its end. They have not
been tried on the published files.
"""

from __future__ import annotations

import math

from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.models import MODELS

_BOUNDS = (
    (8, 9.5, math.inf),
    (256, 5.5, math.inf),
    (512, 4.0, math.inf),
    (1000, 3.0, 8.5),
    (9000, 0.0, 8.5),
    (143_000, 0.0, 6.0),
)
"""Up to this step: the least and the most nll, in nats a token of the GPT-NeoX-20B tokenizer."""


def expected_nll(checkpoint: Checkpoint) -> tuple[float, float] | None:
    """The least and the most nll of plain English, nats a token; None if it is not published."""
    if checkpoint.model not in MODELS:
        return None
    return next((low, high) for last, low, high in _BOUNDS if checkpoint.step <= last)
