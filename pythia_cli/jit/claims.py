"""How threads that run one kernel divide its work: in fixed shares, or by what each can claim."""

from __future__ import annotations

from typing import Any

from pythia_cli.jit.atomics import atomic_add, atomic_load
from pythia_cli.jit.declare import jit

_BACK = 32  # bits
_FRONT = (1 << _BACK) - 1


@jit
def share(n: Any, grain: Any, rank: Any, n_ranks: Any) -> Any:
    """This rank's part [lo, hi) of n items, cut at multiples of `grain`."""
    n_grains = (n + grain - 1) // grain
    lo = n_grains * rank // n_ranks * grain
    hi = n_grains * (rank + 1) // n_ranks * grain
    return min(lo, n), min(hi, n)


@jit
def claim(claims: Any, slot: Any) -> Any:
    """The next item that no rank has taken yet: 0, 1, 2 ..

    claims[slot, 0] counts them. A rank slowed down by a busy machine takes fewer.
    """
    return atomic_add(claims, slot * claims.shape[1], 1)


@jit
def claim_next(ranks: Any, claims: Any, slot: Any, unit: Any, most: Any, n: Any) -> Any:
    """The next items [lo, hi) of n for this rank, multiples of `unit`; lo >= hi if none is left.

    Each rank takes its own share from the front, so that it reads memory in order: at most `most`
    units, and at most half of what is left. Who is done takes from the back of others' shares.
    claims[slot, r]: the units of rank r's share that are taken from its front, and those from its
    back in the upper half.
    """
    n_ranks, n_units = ranks.n_ranks, (n + unit - 1) // unit
    for i in range(n_ranks):
        owner = (ranks.rank + i) % n_ranks
        first, end = share(n_units, 1, owner, n_ranks)
        at = slot * claims.shape[1] + owner
        taken = atomic_load(claims, at)
        left = end - first - (taken & _FRONT) - (taken >> _BACK)
        if left > 0:
            size = min(most, (left + 1) // 2)
            # Others may have taken more meanwhile, even all.
            if i == 0:
                taken = atomic_add(claims, at, size)
                lo = first + (taken & _FRONT)
                hi = min(lo + size, end - (taken >> _BACK))
            else:
                taken = atomic_add(claims, at, size << _BACK)
                hi = end - (taken >> _BACK)
                lo = max(hi - size, first + (taken & _FRONT))
            if lo < hi:
                return lo * unit, min(hi * unit, n)
    return n, n
