"""Rotary position embedding in the NeoX (rotate-half) form."""

from __future__ import annotations

from typing import Any

from pythia_cli.jit.declare import jit


@jit
def rotate_half(x: Any, cos: Any, sin: Any) -> None:
    """Rotate x[:2h] in place, each x[i] with x[i + h]; the rest is unchanged. cos and sin [h]."""
    h = cos.shape[0]
    for i in range(h):
        a, b = x[i], x[i + h]
        x[i] = a * cos[i] - b * sin[i]
        x[i + h] = b * cos[i] + a * sin[i]
