"""Rotary position embedding in the NeoX (rotate-half) form."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.kernels._jit import jit


def rotary_tables(n_ctx: int, n_rotary: int, base: float) -> tuple[np.ndarray, np.ndarray]:
    """cos and sin [n_ctx, ceil(n_rotary / 2)] float32 of position * base^(-2i / n_rotary).

    Su et al. 2021, in float32 steps as transformers computes them.
    """
    exponents = np.arange(0, n_rotary, 2, dtype=np.float32) / np.float32(n_rotary)
    inverse_frequencies = np.float32(1.0) / np.float32(base) ** exponents
    angles = np.arange(n_ctx, dtype=np.float32)[:, None] * inverse_frequencies[None, :]
    return np.cos(angles), np.sin(angles)


@jit
def rotate_half(x: Any, cos: Any, sin: Any) -> None:
    """x[:2h] rotated in place, x[i] paired with x[i + h]; cos and sin [h]; the rest passes."""
    h = cos.shape[0]
    for i in range(h):
        a, b = x[i], x[i + h]
        x[i] = a * cos[i] - b * sin[i]
        x[i + h] = b * cos[i] + a * sin[i]
