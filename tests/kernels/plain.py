"""The plain twins: each definition in float64 numpy, and the magnitude of its terms."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np

from pythia_cli.engine.scores import score_logits
from pythia_cli.jit.declare import TIER
from pythia_cli.kernels.sizes import KEY_BLOCK, LANES, activation_levels
from pythia_cli.kernels.tiles.lanes import LANE_GROUPS
from tests.kernels.draws import Array, Arrays, Expected

erf64 = np.vectorize(math.erf, otypes=[np.float64])


def erf(a: Arrays) -> dict[str, Expected]:
    return {"out": Expected(erf64(a["x"].astype(np.float64)), 1.0)}


def exp_nonpositive(a: Arrays) -> dict[str, Expected]:
    x = a["x"].astype(np.float64)
    value = np.where(x > -87, np.exp(x), 0.0)
    return {"out": Expected(value, value)}


def largest_of(a: Arrays) -> dict[str, Expected]:
    return {"out": Expected(a["x"].max(axis=1), 0.0)}


def absmax(a: Arrays) -> dict[str, Expected]:
    return {"out": Expected(np.abs(a["x"]).max(axis=1), 0.0)}


def softmax(a: Arrays) -> dict[str, Expected]:
    z = a["x"].astype(np.float64)
    z -= z.max(axis=1, keepdims=True)
    p = np.exp(z)
    p /= p.sum(axis=1, keepdims=True)
    # The rounding of z is relative to |z|, and becomes a relative error of exp(z). Below -87
    # the kernel gives 0.
    return {"x": Expected(p, p * (lane_roundings(z) - np.maximum(z, -87)) + 1e-30)}


def lane_roundings(rows: Array) -> float:
    """The most roundings of an element in a lane sum and the steps around it."""
    return 12 + rows.shape[-1] / LANES


def exponentials(a: Arrays) -> dict[str, Expected]:
    x = a["x"].astype(np.float64)
    z = (x - x.max(axis=1, keepdims=True)) * float(a["factor"])
    weights = np.exp(np.maximum(z, -1e4))
    total = weights.sum(axis=1)
    return {
        "weights": Expected(weights, weights * (8 + 2 * np.abs(np.maximum(z, -87))) + 1e-30),
        "total": Expected(total, total * lane_roundings(x)),
    }


def draw(a: Arrays) -> dict[str, Expected]:
    reached = np.cumsum(a["x"].astype(np.float64), axis=1)
    drawn = (reached > a["fractions"][:, None] * reached[:, -1:]).argmax(axis=1)
    return {"out": Expected(drawn, 0.0)}


def score_rows(a: Arrays) -> dict[str, Expected]:
    scores = score_logits(a["logits"], a["targets"], a["members"])
    reach = np.ptp(a["logits"].astype(np.float64), axis=1)
    return {
        "nll": Expected(scores.nll, 1 + np.abs(scores.nll)),
        "entropy": Expected(scores.entropy, 1 + np.minimum(reach, 87)),
        "rank": Expected(scores.rank, 0.0),
        "set_logprob": Expected(scores.set_logprob, 1 + np.abs(scores.set_logprob)),
    }


def embed(a: Arrays) -> dict[str, Expected]:
    weight, scales = a["embedding"]
    value = (weight * scales.astype(np.float64)[:, None])[a["token_ids"]]
    return {"out": Expected(value, np.abs(value))}


def gelu(a: Arrays) -> dict[str, Expected]:
    x = a["x"].T.astype(np.float64)
    return {"x": Expected(x * 0.5 * (1 + erf64(x / math.sqrt(2))), np.abs(x))}


def layer_norm(a: Arrays) -> dict[str, Expected]:
    x = a["x"].astype(np.float64)
    weight, bias = (part.astype(np.float64) for part in a["norm"])
    rstd = 1 / np.sqrt(x.var(axis=1, keepdims=True) + a["eps"])
    value = (x - x.mean(axis=1, keepdims=True)) * rstd * weight + bias
    terms = np.abs(x).max(axis=1, keepdims=True) * rstd * np.abs(weight) + np.abs(bias)
    return {"out": Expected(value, terms * lane_roundings(x))}


def matmul(a: Arrays) -> dict[str, Expected]:
    linear, x = a["linear"], a["x"]
    sums = linear.weight.astype(np.int64) @ x.q.astype(np.int64).T
    assert np.abs(sums).max() < 2**31
    scales = linear.scales.astype(np.float64)[:, None] * x.scales.astype(np.float64)
    bias = linear.bias.astype(np.float64)[:, None]
    before = a["out"].T.astype(np.float64) * a["adds"]
    terms = np.abs(sums * scales) + np.abs(bias) + np.abs(before)
    return {"out": Expected(sums * scales + bias + before, terms)}


def pack(a: Arrays) -> dict[str, Expected]:
    """Nothing is written where no tile uses it. With AMX, high bytes come before low ones."""
    x, n = a["x"], 0
    if TIER.has_lanes:
        n = len(x.lanes) if TIER.has_amx else len(x.lanes) // LANE_GROUPS * LANE_GROUPS
    q = x.q
    if TIER.has_amx and q.dtype == np.int16:
        q = q.view(np.int8)
        q = np.concatenate([q[:, 1::2], q[:, ::2]], axis=1)
    groups = q.view(np.int32).reshape(len(x.lanes), LANES, -1).transpose(0, 2, 1)
    return {"lanes": Expected(np.concatenate([groups[:n], x.lanes[n:]]), 0.0)}


def split(a: Arrays) -> dict[str, Expected]:
    """Nothing is written where no tile uses it, or for several tokens."""
    x = a["x"]
    halves, totals = x.halves.copy(), x.totals.copy()
    if TIER.has_halves and len(x.q) == 1:
        q = x.q[0].astype(np.int64)
        high = np.floor((q + 128) / 256)
        halves, totals = np.stack([high, q - 256 * high])[None], [q.sum()]
    return {"halves": Expected(halves, 0.0), "totals": Expected(totals, 0.0)}


def quantize_rows(a: Arrays) -> dict[str, Expected]:
    x = a["x"].astype(np.float64)
    scales = np.abs(x).max(axis=1) / a["levels"]
    scales[scales < 1e-37] = 0.0
    return {
        "x_scales": Expected(scales, scales),
        "x": Expected(x, half_a_step(a["levels"], scales[:, None])),
        "largest": Expected(np.where(scales > 0, a["levels"], 0), 0.0),
    }


def byte_matmul(a: Arrays) -> dict[str, Expected]:
    x = a["x"]
    levels = x.q.astype(np.int64) - x.zeros[:, None]
    return matmul({**a, "x": SimpleNamespace(q=levels, scales=x.scales)})


def row_sums(a: Arrays) -> dict[str, Expected]:
    return {"sums": Expected(a["q"].astype(np.int64).sum(axis=1), 0.0)}


def quantize_rows_bytes(a: Arrays) -> dict[str, Expected]:
    """The zero point moves all levels by up to half a step, so that 0 is exact."""
    x = a["x"].astype(np.float64) - a["centre"]
    low, high = np.minimum(x.min(axis=1), 0), np.maximum(x.max(axis=1), 0)
    scales = (high - low) / 255
    scales[scales < 1e-37] = 0.0
    size = np.abs(a["x"]).max(axis=1) + np.abs(a["centre"]).max()
    rounded = (size[:, None] + 255 * scales[:, None]) * (scales > 0)[:, None]
    return {
        "scales": Expected(scales, size),
        "x": Expected(x, scales[:, None] * (1.0 / 2e-7) + rounded + 1e-31),
        "zero": Expected(np.zeros(len(x)), 0.0),
    }


def quantize_input(a: Arrays) -> dict[str, Expected]:
    return quantize_rows({"x": a["x"], "levels": activation_levels(a["x"].shape[1])})


def half_a_step(levels: int, scales: Array) -> Array:
    """The largest error of quantizing, as a magnitude for a tolerance of 2e-7.

    Half a step, and the float roundings of x / scale before it is rounded to an integer.
    """
    return scales * (0.5 / 2e-7 + levels) + 1e-31


def widen_float16(a: Arrays) -> dict[str, Expected]:
    return {"out": Expected(a["bits"].view(np.float16).astype(np.float64), 1.0)}


def quantize_weights(a: Arrays) -> dict[str, Expected]:
    w = a["w"].astype(np.float64)
    absmax = np.abs(w).max(axis=1, keepdims=True)
    errors = [distance(to_int8(w, absmax * c / 127), w) for c in a["candidates"]]
    return {"error": Expected(np.min(errors, axis=0), np.linalg.norm(w, axis=1))}


def find_feedback(a: Arrays) -> dict[str, Expected]:
    lower = np.linalg.cholesky(a["h"])
    pivots = np.diagonal(lower, axis1=1, axis2=2)[:, None, :]
    return {"feedback": Expected(np.tril(lower / pivots, -1), 1.0)}


def moved_weights(a: Arrays) -> tuple[Array, Array]:
    """What q should round, from the errors that it leaves; and the size of the terms."""
    w, scales, back = (a[name].astype(np.float64) for name in ("w", "scales", "feedback"))
    errors = w - a["q"] * scales[:, None]
    return w + errors @ back, np.abs(w) + np.abs(errors) @ np.abs(back)


def round_with_feedback(a: Arrays) -> dict[str, Expected]:
    """Half a level from the target at most, but for roundings, which are many."""
    scales = a["scales"].astype(np.float64)[:, None]
    largest = np.abs(a["w"]).max(axis=1, keepdims=True).astype(np.float64)
    terms = largest * (1 + np.abs(a["feedback"]).sum(axis=0)) * a["w"].shape[1]
    size = np.divide(terms, scales, out=np.zeros_like(terms), where=scales > 0)
    return {"beyond": Expected(np.zeros(a["w"].shape), size)}


def correct_bias(a: Arrays) -> dict[str, Expected]:
    w, mean, bias = (a[name].astype(np.float64) for name in ("w", "mean", "bias"))
    error = w - a["q"] * a["scales"].astype(np.float64)[:, None]
    roundings = lane_roundings(w)
    terms = np.abs(bias) + roundings * (np.abs(w) @ np.abs(mean))
    return {
        "corrected": Expected(bias + error @ mean, terms),
        "centred": Expected(bias + w @ mean, terms),
        "row_sums": Expected(a["q"].sum(axis=1, dtype=np.int64), 0.0),
    }


def to_int8(w: Array, scales: Array) -> Array:
    """w [n, d] rounded to levels -127 to 127 with scales [n, 1], dequantized."""
    levels = np.divide(w, scales, out=np.zeros_like(w), where=scales > 0)
    return np.clip(np.rint(levels), -127, 127) * scales


def distance(a: Array, b: Array) -> Array:
    """The root of the squared error of each row."""
    return np.linalg.norm(a - b, axis=1)


def rotated(x: Array, cos: Array, sin: Array) -> Array:
    """x [..., d_head] rotated in the rotate-half form; cos and sin [..., half]."""
    half = cos.shape[-1]
    first, second, rest = x[..., :half], x[..., half : 2 * half], x[..., 2 * half :]
    return np.concatenate([first * cos - second * sin, second * cos + first * sin, rest], axis=-1)


def rotate_half(a: Arrays) -> dict[str, Expected]:
    x = a["x"].astype(np.float64)
    return {"x": Expected(rotated(x, a["cos"], a["sin"]), np.abs(x).max(axis=1, keepdims=True))}


def by_head(qkv: Array, n_heads: int) -> tuple[Array, Array, Array]:
    """q, k and v [n_heads, n_tokens, d_head], float64, of qkv in its published layout."""
    split = qkv.astype(np.float64).reshape(len(qkv), n_heads, 3, -1)
    q, k, v = np.moveaxis(split, (2, 1), (0, 1))
    return q, k, v


def append_to_cache(a: Arrays) -> dict[str, Expected]:
    _, k, v = by_head(a["qkv"], len(a["kv"][0]))
    positions = slice(a["start"], a["start"] + len(a["qkv"]))
    cos, sin = a["rotary"].cos[positions], a["rotary"].sin[positions]
    centre = key_centre(a)[:, None]
    kept = rotated(k - centre, cos, sin)
    k_scales = np.abs(kept).max(axis=2, keepdims=True) / 127
    v_scales = np.abs(v).max(axis=2, keepdims=True) / 127
    roundings = np.abs(k).max() + np.abs(centre).max()
    return {
        "k": Expected(kept, half_a_step(127, k_scales) + roundings),
        "v": Expected(v, half_a_step(127, v_scales)),
    }


def key_centre(a: Arrays) -> Array:
    """[n_heads, d_head] float64."""
    return a["centre"].astype(np.float64).reshape(len(a["kv"][0]), 3, -1)[:, 1]


def attention(a: Arrays) -> dict[str, Expected]:
    q, _, _ = by_head(a["qkv"], len(a["kv"][0]))
    k, v = cached(a["kv"])
    n_heads, n_tokens, d_head = q.shape
    n_positions, new = k.shape[1], slice(a["start"], a["start"] + n_tokens)
    q = rotated(q, a["rotary"].cos[new], a["rotary"].sin[new])
    cos, sin = a["rotary"].cos[:n_positions], a["rotary"].sin[:n_positions]
    centre = rotated(np.repeat(key_centre(a)[:, None], n_positions, axis=1), cos, sin)
    value, terms = np.empty(q.shape), np.empty((n_heads, n_tokens, 1))
    shown = a["shown"].astype(np.float64)
    reaches = np.ones((*shown.shape[:2], 1))
    for head in range(n_heads):
        for t in range(n_tokens):
            visible = a["start"] + t + 1
            kept, constant, values = (x[head, :visible] for x in (k, centre, v))
            one = q[head, t] / math.sqrt(d_head)
            scores = (kept + constant) @ one
            p = np.exp(scores - scores.max())
            p /= p.sum()
            value[head, t] = p @ values
            # The rounding error of a score is relative to its terms, and exp passes it on.
            reach = ((np.abs(kept) + np.abs(constant)) @ np.abs(one)).max()
            q_step = np.abs(one).max() / activation_levels(d_head)
            q_error = 0.5 * q_step * np.abs(kept).sum(axis=1).max() / 2e-7
            w_error = weight_error(p, a["kv"].value_scales[head, :visible], values) / 2e-7
            terms[head, t] = (1 + reach + 2 * q_error) * np.abs(values).max() + w_error
            if len(shown):
                row, rest = a["row"] + t, slice(2 * cos.shape[1], None)
                shown[head, row] = 0
                shown[head, row, :visible] = scores - constant[0, rest] @ one[rest]
                reaches[head, row] = 1 + reach + q_error
    found = {"out": Expected(value, terms)}
    return {**found, "shown": Expected(shown, reaches)} if len(shown) else found


def causal_softmax(a: Arrays) -> dict[str, Expected]:
    x = a["x"].astype(np.float64)
    p = np.exp(x - x.max(axis=2, keepdims=True))
    return {"x": Expected(p / p.sum(axis=2, keepdims=True), 1.0)}


def weight_error(p: Array, scales: Array, values: Array) -> float:
    """The most that rounding the weights p [n] of values [n, d], times their scales, may change."""
    w = p * scales
    if w.max() == 0:
        return 0.0
    levels = min(32767, 0.998 * (2**31 - 1) / 127 * w.max() / w.sum() - len(p))
    in_levels = np.divide(values, scales[:, None], out=np.zeros_like(values), where=values != 0)
    return float(0.51 * w.max() / levels * np.abs(in_levels).sum(axis=0).max())


def cached(kv: tuple[Array, Array, Array, Array]) -> tuple[Array, Array]:
    """k and v [n_heads, n_positions, d_head], float64, of one layer of a cache."""
    keys, key_scales, values, value_scales = (part.astype(np.float64) for part in kv)
    n_heads, n_rows, width = values.shape
    n_positions, d_head = 2 * n_rows, width // 2
    k = keys.reshape(n_heads, -1, keys.shape[2], KEY_BLOCK, 2).transpose(0, 1, 3, 2, 4)
    k = k.reshape(n_heads, n_positions, -1)[..., :d_head]
    v = values.reshape(n_heads, n_rows, d_head, 2).swapaxes(2, 3)
    return k * key_scales[..., None], v.reshape(k.shape) * value_scales[..., None]
