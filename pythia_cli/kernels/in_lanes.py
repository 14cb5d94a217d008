"""`matmul` for tokens whose inputs lie side by side, and how these get there.

Groups of LANES tokens do, with a token in each lane of a vector, where the processor's tier has
tiles for them: in vectors (tiles/lanes.py), or in tile registers (tiles/amx.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pythia_cli.jit.declare import TIER, jit
from pythia_cli.kernels.sizes import LANES, MAX_INT32, WIDENED_WEIGHTS
from pythia_cli.kernels.tiles.amx import AMX_ROWS, amx_begin, amx_end, amx_tile, pack_halves
from pythia_cli.kernels.tiles.lanes import (
    LANE_GROUPS,
    LANE_ROWS,
    WIDENS_FIRST,
    lanes_tile,
    pack_group,
)
from pythia_cli.kernels.tiles.linear import TILE_ROWS

_HAS_AMX, _HAS_LANES = TIER.has_amx, TIER.has_lanes
LEAST_IN_LANES = (LANES if _HAS_AMX else LANE_GROUPS * LANES) if _HAS_LANES else MAX_INT32
"""Fewer tokens do not lie side by side."""
ROWS_IN_LANES = (AMX_ROWS if _HAS_AMX else LANE_ROWS) if _HAS_LANES else TILE_ROWS
"""Rows of weights in a tile for such tokens."""
BLOCK_BYTES = (1024 if _HAS_AMX else 256) * 1024
"""Weights that stay in the L2 cache while all tokens use them. Processors with AMX have 2 MiB."""
EXACT_BLOCK_BYTES = WIDENED_WEIGHTS if WIDENS_FIRST else BLOCK_BYTES
"""The same for inputs of 16 bits. Weights that are widened take twice as much."""
_INPUT_BYTES = 512 * 1024  # and the inputs that stay there with them


def _pack(splits: bool) -> Any:
    """`pack`: each number whole, or split into two bytes."""

    @jit
    def pack(x: Any, lo: Any, hi: Any) -> None:
        if not _HAS_LANES:  # a constant: the rest is not compiled then
            return
        if x.q.shape[0] < LEAST_IN_LANES:
            return
        end = min(-(-hi // LANES), x.lanes.shape[0])
        if not _HAS_AMX:
            end = min(end, x.q.shape[0] // LEAST_IN_LANES * LANE_GROUPS)
        for group in range(lo // LANES, end):
            if splits:
                pack_halves(x.q, group * LANES, x.lanes.shape[1] // 2, x.lanes[group])
            else:
                pack_group(x.q, group * LANES, x.lanes.shape[1], x.lanes[group])

    return pack


pack, byte_pack = _pack(splits=_HAS_AMX), _pack(splits=False)
"""x.lanes = x.q of a Quantized, or of Bytes, for those of tokens lo..hi that are in whole tiles.

With AMX, for all. lo must be a multiple of LANES, and hi too or the number of tokens.
"""


@jit
def _without_lanes(linear: Any, x: Any, adds: Any, out: Any, lo: Any, hi: Any) -> Any:
    return 0


@jit
def _widen(linear: Any, lo: Any, hi: Any) -> Any:
    """linear.room = rows lo..hi in 16 bits; returns whether they fit."""
    d_in = linear.weight.shape[1]
    if (hi - lo) * d_in > linear.room.shape[0]:
        return False
    for row in range(lo, hi):
        room = linear.room[(row - lo) * d_in : (row - lo + 1) * d_in]
        for i in range(d_in):
            room[i] = np.int16(linear.weight[row, i])
    return True


@jit
def _as_they_are(linear: Any, lo: Any, hi: Any) -> Any:
    return True


def _in_vectors(is_exact: bool) -> Any:
    """All tokens in whole tiles."""
    is_widened = WIDENS_FIRST and is_exact
    prepare = _widen if is_widened else _as_they_are

    @jit
    def in_vectors(linear: Any, x: Any, adds: Any, out: Any, lo: Any, hi: Any) -> Any:
        n_tokens, d_in = x.q.shape
        if n_tokens < LEAST_IN_LANES or x.lanes.shape[0] == 0 or not prepare(linear, lo, hi):
            return 0
        n_bytes = 4 * LANE_GROUPS * x.lanes.shape[1] * LANES  # of the lanes of a tile
        n = -(-n_bytes // (d_in * ((hi - lo) // LANE_ROWS)))
        # Tiles prefetch the weights that the next tile reads; or, if weights are widened, a part of
        # the block that comes next.
        ahead, n_ahead = LANE_ROWS * d_in, LANE_ROWS
        if is_widened:
            ahead, n_ahead = (hi - lo) * d_in, -(-LANE_ROWS // (n_tokens // LEAST_IN_LANES))
        token = 0
        while token + LEAST_IN_LANES <= n_tokens:
            # The tiles of these tokens prefetch the next ones, each a part: at the end the first,
            # which the next rows begin with.
            at = (token // LEAST_IN_LANES + 1) * n_bytes
            if token + 2 * LEAST_IN_LANES > n_tokens:
                at = 0
            last = at + n_bytes - n * d_in
            for row in range(lo, hi, LANE_ROWS):
                lanes_tile(
                    linear, row, x, token, d_in, adds, out, out.shape[1], at, n, ahead, n_ahead,
                    row - lo,
                )  # fmt: skip
                at = min(at + n * d_in, last)
            if is_widened:
                ahead += n_ahead * d_in
            token += LEAST_IN_LANES
        return token

    return in_vectors


def _in_tile_registers(n_groups: int) -> Any:
    """All tokens, n_groups of LANES at a time; the last may be fewer."""

    @jit
    def in_tile_registers(linear: Any, x: Any, adds: Any, out: Any, lo: Any, hi: Any) -> Any:
        n_tokens, d_in = x.q.shape
        if n_tokens < LEAST_IN_LANES or x.lanes.shape[0] == 0:
            return 0
        n_tiles = -(-n_tokens // (n_groups * LANES))
        n_together = max(_INPUT_BYTES // (AMX_ROWS * d_in), 1)
        amx_begin()
        for first in range(0, n_tiles, n_together):
            end = min(first + n_together, n_tiles)
            # The tiles of the first tokens prefetch the weights of the next rows, each a part.
            n_lines = 0
            if first == 0:
                n_lines = -(-AMX_ROWS // end)
            for row in range(lo, hi, AMX_ROWS):
                for tile in range(first, end):
                    token = tile * n_groups * LANES
                    ahead = (AMX_ROWS + tile * n_lines) * d_in
                    amx_tile(linear, row, x, token, d_in, adds, out, out.shape[1], ahead, n_lines)
        amx_end()
        return n_tokens

    return in_tile_registers


def multiply_in_lanes(is_exact: bool) -> Any:
    """A function: `matmul` of the first tokens, as many as it returns, for rows lo..hi.

    lo..hi are whole tiles of rows, one at least. is_exact: for inputs of 16 bits, else of 8.
    """
    if _HAS_AMX:
        return _in_tile_registers(n_groups=1 if is_exact else 2)
    if not _HAS_LANES:
        return _without_lanes
    return _in_vectors(is_exact)
