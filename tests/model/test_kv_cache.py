"""The cache keeps count of its positions and refuses what does not fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.errors import UsageError
from pythia_cli.kernels.layout import KEY_BLOCK
from pythia_cli.model.kv_cache import KVCache
from pythia_cli.suite import ModelConfig

CONFIG = ModelConfig(n_layers=2, n_heads=3, d_model=36, d_mlp=100, d_vocab=50, n_ctx=100)


def state(cache: KVCache) -> tuple[int, list[bytes]]:
    return cache.length, [array.tobytes() for array in cache.arrays]


def test_it_refuses_to_overflow_and_leaves_its_state() -> None:
    cache = KVCache(CONFIG, 10)
    assert cache.reserve(7) == 0
    before = state(cache)
    with pytest.raises(UsageError, match="4 more tokens do not fit a context of 10 that holds 7"):
        cache.reserve(4)
    assert state(cache) == before
    assert cache.reserve(3) == 7
    with pytest.raises(UsageError):
        cache.reserve(1)
    assert cache.length == 10


@pytest.mark.parametrize("length", [-1, 6])
def test_it_refuses_to_cut_where_it_has_nothing(length: int) -> None:
    cache = KVCache(CONFIG, 10)
    cache.reserve(5)
    with pytest.raises(UsageError, match="cannot cut"):
        cache.truncate(length)
    assert cache.length == 5


@given(steps=st.lists(st.tuples(st.booleans(), st.integers(0, 12)), max_size=12))
def test_it_counts_as_a_list_of_positions_does(steps: list[tuple[bool, int]]) -> None:
    cache, held = KVCache(CONFIG, 20), 0
    for grows, n in steps:
        if grows and held + n <= 20:
            assert cache.reserve(n) == held
            held += n
        elif not grows and n <= held:
            cache.truncate(n)
            held = n
        else:
            with pytest.raises(UsageError):
                (cache.reserve if grows else cache.truncate)(n)
        assert cache.length == held


@pytest.mark.parametrize("capacity", [1, KEY_BLOCK - 1, KEY_BLOCK, KEY_BLOCK + 1, 100])
def test_its_arrays_hold_whole_blocks(capacity: int) -> None:
    arrays = KVCache(CONFIG, capacity).arrays
    n_positions = KVCache.padded(capacity)
    assert capacity <= n_positions < capacity + KEY_BLOCK
    assert arrays.keys.shape == (2, 1, 3, n_positions // KEY_BLOCK, 12, KEY_BLOCK)
    assert arrays.values.shape == (2, 1, 3, n_positions, 12)
    assert arrays.key_scales.shape == arrays.value_scales.shape == (2, 1, 3, n_positions)
