"""Parts of a kernel's work, in fixed shares or as ranks claim them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.jit.claims import claim_next, share
from pythia_cli.kernels.structures import Ranks


@given(n=st.integers(0, 500), grain=st.integers(1, 64), n_ranks=st.integers(1, 9))
def test_shares_cover_every_item_once_in_whole_grains(n: int, grain: int, n_ranks: int) -> None:
    shares = [share(n, grain, rank, n_ranks) for rank in range(n_ranks)]
    assert [i for lo, hi in shares for i in range(lo, hi)] == list(range(n))
    assert all(lo % grain == 0 for lo, hi in shares if lo < hi)
    grains = [-(-(hi - lo) // grain) for lo, hi in shares]
    assert max(grains) - min(grains) <= 1


def ranks_of(n_ranks: int) -> list[Ranks]:
    return [Ranks(rank, n_ranks, np.zeros(1, np.int64)) for rank in range(n_ranks)]


@given(
    n=st.integers(0, 700),
    unit=st.integers(1, 32),
    most=st.integers(1, 9),
    n_ranks=st.integers(1, 9),
    data=st.data(),
)
def test_ranks_that_claim_in_any_order_take_every_item_once(
    n: int, unit: int, most: int, n_ranks: int, data: st.DataObject
) -> None:
    claims = np.zeros((3, n_ranks), np.int64)
    waiting, parts = ranks_of(n_ranks), []
    while waiting:
        ranks = data.draw(st.sampled_from(waiting))
        lo, hi = claim_next(ranks, claims, 1, unit, most, n)
        if lo < hi:
            parts.append((lo, hi))
        else:
            waiting.remove(ranks)
    assert sorted(i for lo, hi in parts for i in range(lo, hi)) == list(range(n))
    assert all(lo % unit == 0 and hi - lo <= most * unit for lo, hi in parts)
    assert not claims[[0, 2]].any()


def test_a_rank_takes_its_share_in_order_then_from_the_back_of_others() -> None:
    claims = np.zeros((1, 2), np.int64)
    first, second = ranks_of(2)
    assert claim_next(second, claims, 0, 2, 4, 40) == (20, 28)
    assert claim_next(second, claims, 0, 2, 4, 40) == (28, 34)  # half of what is left
    assert claim_next(first, claims, 0, 2, 4, 40) == (0, 8)
    parts = [claim_next(first, claims, 0, 2, 4, 40) for _ in range(5)]
    assert parts == [(8, 14), (14, 18), (18, 20), (36, 40), (34, 36)]
    assert claim_next(first, claims, 0, 2, 4, 40) == (40, 40)
    assert claim_next(second, claims, 0, 2, 4, 40) == (40, 40)


@numba.njit(nogil=True)
def take_all(ranks: Ranks, claims: Any, n: int, taken: Any) -> None:
    for slot in range(claims.shape[0]):
        lo, hi = claim_next(ranks, claims, slot, 2, 3, n)
        while lo < hi:
            taken[slot, lo:hi] += 1
            lo, hi = claim_next(ranks, claims, slot, 2, 3, n)


def test_ranks_that_claim_at_the_same_time_take_every_item_once() -> None:
    n_ranks, n_slots, n = 4, 20_000, 41
    claims, taken = np.zeros((n_slots, n_ranks), np.int64), np.zeros((n_slots, n), np.int8)
    take_all(ranks_of(1)[0], claims[:0], n, taken)  # compiles it
    with ThreadPoolExecutor(n_ranks) as pool:
        for future in [pool.submit(take_all, r, claims, n, taken) for r in ranks_of(n_ranks)]:
            future.result()
    assert (taken == 1).all()
