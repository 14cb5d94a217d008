"""Prefetches of what a decoded token reads next, other than the weights that ranks claim."""

from __future__ import annotations

from typing import Any

from pythia_cli.jit.declare import jit
from pythia_cli.jit.prefetch import prefetch_bytes
from pythia_cli.kernels.sizes import KEY_BLOCK

_MOST_AHEAD = 8192  # bytes of a head's keys, or values, that are prefetched together
_MOST_OF_ROW = 4096  # bytes; from there on the row itself is prefetched ahead


@jit
def fetch_norms(norms: Any, i: Any) -> None:
    """Prefetch what the norm of layer i has, if there is such a layer."""
    n_layers, d = norms.weight.shape
    if i < n_layers:
        prefetch_bytes(norms.weight, i * d, 4 * d)
        prefetch_bytes(norms.bias, i * d, 4 * d)


@jit
def fetch_outputs(linears: Any, i: Any, lo: Any, hi: Any) -> None:
    """Prefetch the scales and bias of outputs lo..hi of layer i."""
    d_out = linears.scales.shape[1]
    prefetch_bytes(linears.scales, i * d_out + lo, 4 * (hi - lo))
    prefetch_bytes(linears.bias, i * d_out + lo, 4 * (hi - lo))


@jit
def fetch_row(weight: Any, i: Any, row: Any) -> None:
    """Prefetch the beginning of a row of layer i, before another matrix is read."""
    _, d_out, d_in = weight.shape
    prefetch_bytes(weight, (i * d_out + row) * d_in, min(d_in, _MOST_OF_ROW))


@jit
def fetch_head(kv: Any, head: Any, n_positions: Any) -> None:
    """Prefetch the first keys and values of a head, up to n_positions and _MOST_AHEAD bytes."""
    keys, key_scales, values, value_scales = kv
    d_head = values.shape[2] // 2
    n = (n_positions + KEY_BLOCK) // KEY_BLOCK * KEY_BLOCK
    prefetch_bytes(key_scales, head * key_scales.shape[1], min(4 * n, _MOST_AHEAD))
    prefetch_bytes(value_scales, head * value_scales.shape[1], min(4 * n, _MOST_AHEAD))
    n_bytes = min(d_head * n, _MOST_AHEAD)
    prefetch_bytes(keys, head * keys.shape[1] * keys.shape[2] * 2 * KEY_BLOCK, n_bytes)
    prefetch_bytes(values, head * values.shape[1] * values.shape[2], n_bytes)
