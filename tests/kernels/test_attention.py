"""Attention leaves qkv as it is: `engine/attention_taps.py` reads it afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pythia_cli.kernels.attention import append_to_cache, attention
from tests.kernels.draws import Arrays, Draw
from tests.kernels.twins import new_tokens, queries


@pytest.mark.parametrize("n_tokens", [1, 9])
@pytest.mark.parametrize(
    ("kernel", "draw"),
    [(append_to_cache, new_tokens), (attention, queries)],
    ids=["append", "attend"],
)
def test_qkv_is_not_written(kernel: Any, draw: Callable[[Draw], Arrays], n_tokens: int) -> None:
    arguments = draw(Draw(np.random.default_rng(0), n_tokens, 40, 8, "normal"))
    before = arguments["qkv"].copy()
    kernel(*arguments.values(), 0, len(arguments["kv"].keys))
    np.testing.assert_array_equal(arguments["qkv"], before)
