"""Halves to float32: all of them, to the bit."""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.kernels.float16 import widen_float16

ALL = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


def in_part(halves: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    out = np.full(len(halves) + 2, np.float32(7))
    bits = np.concatenate([[1], halves.view(np.uint16), [1]]).astype(np.uint16)
    widen_float16(bits, out, 1, len(halves) + 1)
    assert out[0] == out[-1] == 7
    return out[1:-1]


def test_every_half_keeps_its_value_sign_and_bits() -> None:
    expected = ALL.astype(np.float32).tobytes()
    assert in_part(ALL).tobytes() == expected
