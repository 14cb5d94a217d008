"""Channels of a layer norm that stand out are made smaller, and the weights that read them larger.

Such channels take most of the levels of 8 bits; and their weights, mostly small, are rounded to
the scale of the others. This is the smoothing of SmoothQuant (Xiao et al. 2023) with alpha = 0.5,
by deviations, for such channels only: so most models are as they would be without it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

NORM_BEFORE = {
    "layers.attention.query_key_value": "layers.input_layernorm",
    "layers.mlp.dense_h_to_4h": "layers.post_attention_layernorm",
    "embed_out": "final_layer_norm",
}
"""The linears whose input is that of a layer norm which only they read, and the norm."""

SAMPLED = 8
"""The norms of columns are those in the first of so many blocks of rows: it need not be exact."""

_MOST = 4.0
"""How far from the median of all channels one may be, as a factor either way."""
_MOST_DOUBLINGS = 16


def channel_factors(
    means: np.ndarray[Any, Any], variances: np.ndarray[Any, Any], squares: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any] | None:
    """Factors [d] float32, powers of two: inputs are divided by them, and weights multiplied.

    means, variances [d]: of the inputs. squares [d]: the sums of squares of the columns of weights.
    None if no channel stands out, or the values are not finite.

    r is the deviation of an input over the norm of its weights. Channels beyond _MOST times the
    median of r are brought halfway back to that; so are those below a part of it, but by the root
    mean square of the input, as activations of 16 bits hold its constant part too. Powers of two
    change no product but its exponent.
    """
    with np.errstate(all="ignore"):
        spread = np.log2(variances / squares) / 2
        size = np.log2((variances + means.astype(np.float64) ** 2) / squares) / 2
    known = np.isfinite(spread) & np.isfinite(size)
    if not (known.any() and np.isfinite(variances).all() and np.isfinite(squares).all()):
        return None
    middle, most = np.median(spread[known]), np.log2(_MOST)
    above = np.maximum(spread[known] - middle - most, 0.0)
    below = np.minimum(size[known] - middle + most, 0.0)
    exponents = np.zeros(len(means))
    exponents[known] = np.clip(np.rint((above + below) / 2), -_MOST_DOUBLINGS, _MOST_DOUBLINGS)
    return np.exp2(exponents).astype(np.float32) if exponents.any() else None
