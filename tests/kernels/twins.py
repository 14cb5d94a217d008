"""Every kernel beside its plain twin, and how far apart the two may be.

`KERNELS` is the table. For every element of every output, |kernel - twin| <= tolerance * magnitude,
where the magnitude is the size of the terms that the kernel adds up: a tolerance is a number of
float32 roundings (2^-24 = 6e-8 each), whatever the scale of the inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from pythia_cli.kernels.attention import CachedLayer, append_to_cache, attention
from pythia_cli.kernels.embedding import Embedding, embed
from pythia_cli.kernels.gelu import erf, gelu
from pythia_cli.kernels.layer_norm import Norm, layer_norm
from pythia_cli.kernels.linear import Linear, Quantized, matmul, matmul_plain, quantize_input
from pythia_cli.kernels.quantize_rows import absmax, quantize_row, quantize_rows
from pythia_cli.kernels.quantize_weights import quantize_weights
from pythia_cli.kernels.rotary import rotate_half
from pythia_cli.kernels.scoring import merge_pieces, score_piece
from pythia_cli.kernels.sizes import (
    KEY_BLOCK,
    N_QUERIES,
    SCALE_CANDIDATES,
    SCORE_PIECE,
    activation_levels,
    rotary_tables,
)
from pythia_cli.kernels.softmax import draw, exp_nonpositive, exponentials, largest_of, softmax
from tests.kernels import plain
from tests.kernels.draws import MODERATE, Arrays, Draw, Twin, unwritten


def over_values(function: Any) -> Callable[[Arrays, int, int], None]:
    """A scalar kernel over an array, inlined as its callers inline it."""

    @numba.njit(nogil=True, error_model="numpy")
    def loop(x: Any, out: Any, lo: Any, hi: Any) -> None:
        for i in range(lo, hi):
            out[i] = function(x[i])

    return lambda a, lo, hi: loop(a["x"], a["out"], lo, hi)


def over_rows(function: Any) -> Callable[[Arrays, int, int], None]:
    """A kernel of one row, row by row."""

    def run(a: Arrays, lo: int, hi: int) -> None:
        for t in range(lo, hi):
            function(a, t)

    return run


def values(asked: Draw) -> Arrays:
    return {"x": 2 * asked.floats(asked.d), "out": unwritten(asked.d)}


def nonpositive_values(asked: Draw) -> Arrays:
    x = -np.abs(20 * asked.floats(asked.d))
    x[asked.rng.random(asked.d) < 0.1] = -np.inf
    return {"x": x, "out": unwritten(asked.d)}


def rows(asked: Draw) -> Arrays:
    return {"x": 3 * asked.floats(asked.n, asked.d)}


def rows_to_numbers(asked: Draw) -> Arrays:
    return {**rows(asked), "out": unwritten(asked.n)}


def rows_to_weights(asked: Draw) -> Arrays:
    return {
        **rows(asked),
        "factor": np.float32(asked.rng.choice([0.5, 1.0, 20.0, 1e38])),
        "weights": unwritten(asked.n, asked.d),
        "total": unwritten(asked.n, dtype=np.float64),
    }


def row_to_weights(a: Arrays, t: int) -> None:
    exponentials(a["x"][t], float(a["factor"]), a["weights"][t], a["total"][t : t + 1])


def drawing(asked: Draw) -> Arrays:
    x = np.abs(asked.floats(asked.n, asked.d))
    x[:, asked.rng.integers(asked.d)] += np.float32(1e-30)  # not all 0
    out = unwritten(asked.n, dtype=np.int64)
    return {"x": x, "fractions": asked.rng.random(asked.n), "out": out}


def draw_from_row(a: Arrays, t: int) -> None:
    draw(a["x"][t], a["fractions"][t], a["out"][t : t + 1])


def logits(asked: Draw) -> Arrays:
    return {
        "logits": 3 * asked.floats(asked.n, asked.d),
        "targets": asked.rng.integers(0, asked.d, asked.n),
        "nll": unwritten(asked.n, dtype=np.float64),
        "entropy": unwritten(asked.n, dtype=np.float64),
        "rank": unwritten(asked.n, dtype=np.int64),
    }


def score_by_pieces(a: Arrays, lo: int, hi: int) -> None:
    """The two kernels one after the other, with pieces of 64 where the vocabulary is small."""
    n, d_vocab = a["logits"].shape
    size = SCORE_PIECE if d_vocab > 1000 else 64
    target_logits = a["logits"][np.arange(n), a["targets"]][:, None]
    starts = range(0, d_vocab, size)
    sums = np.empty((n, len(starts), 4))
    for piece, first in enumerate(starts):
        part = np.ascontiguousarray(a["logits"][:, first : first + size])
        score_piece(
            part, part.shape[1], target_logits, piece, np.empty(size, np.float32), sums, lo, hi
        )
    merge_pieces(sums, target_logits, a["nll"], a["entropy"], a["rank"], lo, hi)


def embedding(asked: Draw) -> Arrays:
    return {
        "embedding": Embedding(asked.int8(asked.n_rows, asked.d), asked.scales(asked.n_rows)),
        "token_ids": asked.rng.integers(0, asked.n_rows, asked.n),
        "out": unwritten(asked.n, asked.d),
    }


def norm(asked: Draw) -> Arrays:
    return {
        "norm": Norm(
            weight=asked.rng.normal(1, 0.2, asked.d).astype(np.float32),
            bias=asked.rng.normal(0, 0.2, asked.d).astype(np.float32),
        ),
        "x": asked.floats(asked.n, asked.d),
        "eps": float(asked.rng.choice([1e-5, 1e-2])),
        "out": unwritten(asked.n, asked.d),
    }


def linear(asked: Draw) -> Arrays:
    return {
        "linear": Linear(
            weight=asked.int8(asked.n_rows, asked.d),
            scales=asked.scales(asked.n_rows),
            bias=asked.rng.standard_normal(asked.n_rows).astype(np.float32),
        ),
        "x": Quantized(
            q=asked.int16(activation_levels(asked.d), asked.n, asked.d),
            scales=asked.scales(asked.n),
        ),
        "adds": bool(asked.rng.integers(2)),
        "out": asked.floats(asked.n, asked.n_rows),
    }


def activations(asked: Draw) -> Arrays:
    return {
        "x": asked.floats(asked.n, asked.d),
        "levels": activation_levels(asked.d * int(asked.rng.choice([1, 64]))),
        "x_q": unwritten(asked.n, asked.d, dtype=np.int16),
        "x_scales": unwritten(asked.n),
    }


def quantized_row(a: Arrays, t: int) -> None:
    a["x_scales"][t] = quantize_row(a["x"][t], a["levels"], a["x_q"][t])


def read_activations(a: Arrays) -> Arrays:
    return {
        "x_scales": a["x_scales"],
        "x": a["x_q"] * a["x_scales"].astype(np.float64)[:, None],
        "largest": np.abs(a["x_q"].astype(np.int64)).max(axis=1),
    }


def linear_inputs(asked: Draw) -> Arrays:
    a = activations(asked)
    return {"x": a["x"], "out": Quantized(a["x_q"], a["x_scales"])}


def written_inputs(a: Arrays) -> Arrays:
    return {"x_q": a["out"].q, "x_scales": a["out"].scales}


def read_inputs(a: Arrays) -> Arrays:
    return read_activations(written_inputs(a))


def weights(asked: Draw) -> Arrays:
    return {
        "w": asked.floats(asked.n_rows, asked.d),
        "candidates": SCALE_CANDIDATES,
        "error": unwritten(asked.d),
        "q": unwritten(asked.n_rows, asked.d, dtype=np.int8),
        "scales": unwritten(asked.n_rows),
    }


def read_weights(a: Arrays) -> Arrays:
    dequantized = a["q"] * a["scales"].astype(np.float64)[:, None]
    return {"error": plain.distance(dequantized, a["w"])}


def heads(asked: Draw) -> Arrays:
    """One head a token, as wide as an even or odd head gets, and its rotary tables."""
    d_head = 8 + asked.d
    cos, sin = rotary_tables(asked.n, int(d_head * asked.rng.choice([0, 0.25, 0.5, 0.9])), 10000.0)
    return {"x": asked.floats(asked.n, d_head), "cos": cos, "sin": sin}


def new_tokens(asked: Draw) -> Arrays:
    """qkv of n tokens behind `start` others, and a cache whose every place holds something."""
    n_heads, d_head, start = 1 + asked.n_rows % 4, 8 + asked.d, int(asked.rng.integers(70))
    n_blocks = (start + asked.n) // KEY_BLOCK + 2
    n_positions = n_blocks * KEY_BLOCK
    n_rotary = int(d_head * asked.rng.choice([0, 0.25, 0.5, 0.9]))
    cos, sin = rotary_tables(n_positions, n_rotary, 10000.0)
    kv = CachedLayer(
        asked.int16(32767, n_heads, n_blocks, d_head, KEY_BLOCK),
        asked.rng.uniform(0, 3e-5, (n_heads, n_positions)).astype(np.float32),
        asked.int16(32767, n_heads, n_positions, d_head),
        asked.rng.uniform(0, 3e-5, (n_heads, n_positions)).astype(np.float32),
    )
    qkv = asked.floats(asked.n, n_heads * 3 * d_head)
    return {"qkv": qkv, "start": start, "cos": cos, "sin": sin, "kv": kv}


def written_to_cache(a: Arrays) -> Arrays:
    keys, key_scales, values, value_scales = a["kv"]
    qkv = np.moveaxis(a["qkv"].reshape(len(a["qkv"]), len(keys), -1), 1, 0)
    return {
        "qkv": qkv,
        "keys": keys,
        "key_scales": key_scales,
        "values": values,
        "value_scales": value_scales,
    }


def read_cache(a: Arrays) -> Arrays:
    q, _, _ = plain.by_head(a["qkv"], len(a["kv"][0]))
    k, v = plain.cached(a["kv"])
    new = slice(a["start"], a["start"] + len(a["qkv"]))
    return {"q": q, "k": k[:, new], "v": v[:, new]}


def queries(asked: Draw) -> Arrays:
    a = new_tokens(asked)
    keys, n_positions = a["kv"][0], a["kv"][1].shape[1]
    return {
        "qkv": a["qkv"],
        "start": a["start"],
        "kv": a["kv"],
        "scores": np.full((N_QUERIES, n_positions), np.nan, np.float32),
        "out": unwritten(asked.n, len(keys) * keys.shape[2]),
    }


def out_by_head(a: Arrays) -> Arrays:
    return {"out": np.moveaxis(a["out"].reshape(len(a["out"]), len(a["kv"][0]), -1), 1, 0)}


def only(*names: str) -> Callable[[Arrays], Arrays]:
    """The outputs whose first axis lo and hi cut."""
    return lambda a: {name: a[name] for name in names}


def columns(name: str) -> Callable[[Arrays], Arrays]:
    """The output whose second axis lo and hi cut."""
    return lambda a: {name: a[name].T}


_SUMS_EXACT = "integer sums are exact; two scales, the bias and the old value round once each"
_HALF_STEP = "half a step of the int16 grid, and a rounding of x / scale before it is cut"

KERNELS = [
    Twin(
        "erf", erf, values, only("out"), plain.erf, 5e-7,
        "the rational function is good to 3e-7, absolute", run=over_values(erf),
    ),
    Twin(
        "exp_nonpositive", exp_nonpositive, nonpositive_values, only("out"),
        plain.exp_nonpositive, 3e-7, "2 ulp, relative", run=over_values(exp_nonpositive),
    ),
    Twin(
        "largest_of", largest_of, rows_to_numbers, only("out"), plain.largest_of, 0.0,
        "a maximum does not round",
        run=over_rows(lambda a, t: a["out"].__setitem__(t, largest_of(a["x"][t], a["x"].shape[1]))),
    ),
    Twin(
        "absmax", absmax, rows_to_numbers, only("out"), plain.absmax, 0.0,
        "a maximum does not round",
        run=over_rows(lambda a, t: a["out"].__setitem__(t, absmax(a["x"][t]))),
    ),
    Twin(
        "softmax", softmax, rows, only("x"), plain.softmax, 6e-8,
        "a rounding each; two exponentials of 2 ulp, a sum in 16 lanes, a division",
        run=over_rows(lambda a, t: softmax(a["x"][t], a["x"].shape[1])),
    ),
    Twin(
        "exponentials", exponentials, rows_to_weights, only("weights", "total"),
        plain.exponentials, 6e-8, "a rounding each; a difference, a product and 2 ulp of exp",
        run=over_rows(row_to_weights),
    ),
    Twin(
        "draw", draw, drawing, only("out"), plain.draw, 0.0, "the same float64 sums in order",
        run=over_rows(draw_from_row),
    ),
    Twin(
        "score_piece", score_piece, logits, only("nll", "entropy", "rank"), plain.score_rows, 3e-7,
        "short float32 sums gathered in float64, and one rounding of logit - largest",
        run=score_by_pieces,
    ),
    Twin(
        "merge_pieces", merge_pieces, logits, only("nll", "entropy", "rank"), plain.score_rows,
        3e-7, "float64 throughout; what score_piece leaves", run=score_by_pieces,
    ),
    Twin("embed", embed, embedding, only("out"), plain.embed, 1e-7, "one product"),
    Twin(
        "gelu", gelu, rows, columns("x"), plain.gelu, 4e-7,
        "half of erf's error and three products",
    ),
    Twin(
        "layer_norm", layer_norm, norm, only("out"), plain.layer_norm, 6e-8,
        "a rounding each; two sums in 16 lanes, a root, a division and three products",
    ),
    Twin("matmul", matmul, linear, columns("out"), plain.matmul, 3e-7, _SUMS_EXACT),
    Twin("matmul_plain", matmul_plain, linear, columns("out"), plain.matmul, 3e-7, _SUMS_EXACT),
    Twin(
        "quantize_row", quantize_row, activations, only("x_q", "x_scales"), plain.quantize_rows,
        2e-7, _HALF_STEP, measured=read_activations, run=over_rows(quantized_row),
    ),
    Twin(
        "quantize_rows", quantize_rows, activations, only("x_q", "x_scales"), plain.quantize_rows,
        2e-7, _HALF_STEP, measured=read_activations,
    ),
    Twin(
        "quantize_input", quantize_input, linear_inputs, written_inputs, plain.quantize_input,
        2e-7, _HALF_STEP, measured=read_inputs,
    ),
    Twin(
        "quantize_weights", quantize_weights, weights, only("q", "scales"), plain.quantize_weights,
        2e-7, "a product and a difference for each weight, by which the candidates are ranked",
        measured=read_weights,
    ),
    Twin(
        "rotate_half", rotate_half, heads, only("x"), plain.rotate_half, 2e-7,
        "two products and their sum",
        run=over_rows(lambda a, t: rotate_half(a["x"][t], a["cos"][t], a["sin"][t])),
    ),
    Twin(
        "append_to_cache", append_to_cache, new_tokens, written_to_cache, plain.append_to_cache,
        2e-7, f"the rotation, then {_HALF_STEP}", measured=read_cache,
    ),
    Twin(
        "attention", attention, queries, out_by_head, plain.attention, 2e-7,
        "chains of fused multiply-adds and an exponential; roundings that mostly cancel",
        kinds=MODERATE,
    ),
]  # fmt: skip
