"""Rows of a float checkpoint, widened for the quantizer; test_quantize.py has the rest."""

from __future__ import annotations

import numpy as np
import pytest

from pythia_cli.checkpoints import rows

ALL = np.arange(1 << 16, dtype=np.uint16).view(np.float16)


@pytest.mark.parametrize("halves", [ALL, ALL.reshape(256, 256).T])
def test_every_half_keeps_its_bits_in_any_layout(halves: np.ndarray) -> None:
    assert rows.widened(halves).tobytes() == halves.astype(np.float32, order="C").tobytes()
