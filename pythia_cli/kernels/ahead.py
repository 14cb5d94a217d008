"""Prefetches of what a decoded token reads next, other than the weights that ranks claim."""

from __future__ import annotations

from typing import Any

from pythia_cli.jit.declare import jit
from pythia_cli.jit.prefetch import prefetch_to_read

_MOST_AHEAD = 8192  # bytes of scales that are prefetched together
_MOST_OF_ROW = 4096  # bytes; from there on the row itself is prefetched ahead


@jit
def fetch_norms(norms: Any, i: Any) -> None:
    """Prefetch what the norm of layer i has, if there is such a layer."""
    n_layers, d = norms.weight.shape
    if i < n_layers:
        prefetch_to_read(norms.weight, i * d, 4 * d)
        prefetch_to_read(norms.bias, i * d, 4 * d)


@jit
def fetch_outputs(linears: Any, i: Any, lo: Any, hi: Any) -> None:
    """Prefetch the scales and bias of outputs lo..hi of layer i."""
    d_out = linears.scales.shape[1]
    prefetch_to_read(linears.scales, i * d_out + lo, 4 * (hi - lo))
    prefetch_to_read(linears.bias, i * d_out + lo, 4 * (hi - lo))


@jit
def fetch_row(weight: Any, i: Any, row: Any) -> None:
    """Prefetch the beginning of a row of layer i, before another matrix is read."""
    _, d_out, d_in = weight.shape
    prefetch_to_read(weight, (i * d_out + row) * d_in, min(d_in, _MOST_OF_ROW))


@jit
def fetch_scales(kv: Any, head: Any, n_positions: Any) -> None:
    """Prefetch the scales of a head's first n_positions keys and values."""
    _, key_scales, _, value_scales = kv
    n_bytes = min(4 * n_positions, _MOST_AHEAD)
    prefetch_to_read(key_scales, head * key_scales.shape[1], n_bytes)
    prefetch_to_read(value_scales, head * value_scales.shape[1], n_bytes)
