"""The cache counts its positions, and refuses tokens that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.engine.kv_cache import KVCache
from pythia_cli.errors import UsageError
from pythia_cli.kernels.sizes import KEY_BLOCK
from pythia_cli.suite.config import ModelConfig

CONFIG = ModelConfig(n_layers=2, n_heads=3, d_model=36, d_mlp=100, d_vocab=50, n_ctx=100)


def state(cache: KVCache) -> tuple[int, list[bytes]]:
    return cache.length, [array.tobytes() for array in cache.arrays]


def test_it_refuses_to_overflow_and_is_unchanged() -> None:
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
def test_it_refuses_to_truncate_outside_its_length(length: int) -> None:
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
    assert arrays.keys.shape == (2, 1, 3, n_positions // KEY_BLOCK, 6, 2 * KEY_BLOCK)
    assert arrays.values.shape == (2, 1, 3, n_positions // 2, 24)
    assert arrays.key_scales.shape == arrays.value_scales.shape == (2, 1, 3, n_positions)


def filled(n_texts: int, capacity: int, seed: int) -> list[KVCache]:
    """Caches made together, filled with random values."""
    caches = KVCache.together(CONFIG, capacity, n_texts)
    rng = np.random.default_rng(seed)
    for array in caches[0].arrays:
        array[:] = 30 * rng.standard_normal(array.shape)
    return caches


def positions(cache: KVCache, n: int) -> list[np.ndarray]:
    """The first n positions of a cache, one per row."""
    keys, key_scales, values, value_scales = (array[:, cache.row] for array in cache.arrays)
    shape = (*key_scales.shape, 12)  # [n_layers, n_heads, n_positions, d_head]
    keys = keys.reshape(*keys.shape[:3], 6, KEY_BLOCK, 2).swapaxes(3, 4).reshape(shape)
    values = values.reshape(*values.shape[:3], 12, 2).swapaxes(3, 4).reshape(shape)
    return [array[:, :, :n].copy() for array in (keys, key_scales, values, value_scales)]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_caches_made_together_share_only_arrays() -> None:
    caches = KVCache.together(CONFIG, 20, 3)
    assert [cache.row for cache in caches] == [0, 1, 2]
    assert all(cache.arrays is caches[0].arrays for cache in caches)
    assert {array.shape[1] for array in caches[0].arrays} == {3}
    caches[1].reserve(7)
    caches[2].reserve(20)
    caches[2].truncate(3)
    assert [cache.length for cache in caches] == [0, 7, 3]
    with pytest.raises(UsageError, match="context of 20 that holds 7"):
        caches[1].reserve(14)


@pytest.mark.parametrize("length", [0, 1, KEY_BLOCK - 1, KEY_BLOCK, KEY_BLOCK + 1, 40])
def test_a_copy_holds_the_first_positions_and_leaves_other_texts(length: int) -> None:
    first, second, third = filled(3, 40, seed=1)
    second.reserve(40)
    first.reserve(5)
    before = [positions(cache, 40) for cache in (second, third)]
    first.copy_from(second, length)
    assert (first.length, second.length, third.length) == (length, 40, 0)
    assert same(positions(first, length), positions(second, length))
    assert same(positions(second, 40), before[0])
    assert same(positions(third, 40), before[1])
    assert first.reserve(40 - length) == length


@pytest.mark.parametrize(("from_capacity", "to_capacity"), [(100, 37), (37, 100)])
def test_a_copy_between_caches_of_different_capacity(from_capacity: int, to_capacity: int) -> None:
    *_, source = filled(2, from_capacity, seed=2)
    target, *_ = filled(2, to_capacity, seed=3)
    source.reserve(from_capacity)
    n = min(from_capacity, to_capacity)
    target.copy_from(source, n)
    assert target.length == n
    assert same(positions(target, n), positions(source, n))
    assert target.capacity == to_capacity


@pytest.mark.parametrize("length", [-1, 6, 11])
def test_a_copy_of_too_many_positions_is_refused(length: int) -> None:
    target, source = KVCache(CONFIG, 5), KVCache(CONFIG, 20)
    source.reserve(10)
    target.reserve(2)
    before = state(target)
    with pytest.raises(UsageError, match=f"cannot copy {length}"):
        target.copy_from(source, length)
    assert state(target) == before
