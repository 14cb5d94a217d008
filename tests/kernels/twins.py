"""The table of kernels with their plain twins and tolerances.

For every element of every output, |kernel - twin| <= tolerance * magnitude. The magnitude is the
size of the terms that the kernel adds up. So a tolerance is a number of float32 roundings (2^-24 =
6e-8 each), whatever the scale of the inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from pythia_cli.kernels.attention import append_to_cache, attention
from pythia_cli.kernels.attention_structures import CachedLayer, Rotary, Tile
from pythia_cli.kernels.causal_softmax import causal_softmax
from pythia_cli.kernels.correct_bias import correct_bias
from pythia_cli.kernels.embedding import Embedding, embed
from pythia_cli.kernels.feedback import find_feedback, round_with_feedback
from pythia_cli.kernels.float16 import widen_float16
from pythia_cli.kernels.gelu import erf, gelu
from pythia_cli.kernels.halves import split
from pythia_cli.kernels.in_lanes import byte_pack, pack
from pythia_cli.kernels.layer_norm import Norm, layer_norm
from pythia_cli.kernels.likely import find_likely, find_residual, refine
from pythia_cli.kernels.linear import (
    ByteLinear,
    Bytes,
    ExactLinear,
    Quantized,
    byte_matmul,
    byte_matmul_output,
    byte_matmul_plain,
    matmul,
    matmul_output,
    matmul_plain,
    quantize_bytes,
    quantize_input,
)
from pythia_cli.kernels.quantize_rows import (
    absmax,
    quantize_row,
    quantize_row_bytes,
    quantize_rows,
    quantize_rows_bytes,
)
from pythia_cli.kernels.quantize_weights import quantize_weights
from pythia_cli.kernels.rotary import rotate_half
from pythia_cli.kernels.row_sums import row_sums
from pythia_cli.kernels.scoring import merge_pieces, score_piece
from pythia_cli.kernels.sizes import (
    COLUMNS_TOGETHER,
    ELIMINATED_TOGETHER,
    FEEDBACK_ROWS,
    KEY_BLOCK,
    LANES,
    LOGITS_PIECE,
    MAX_INT16,
    N_QUERIES,
    SCALE_CANDIDATES,
    activation_levels,
    rotary_blocks,
    rotary_tables,
)
from pythia_cli.kernels.softmax import draw, exp_nonpositive, exponentials, largest_of, softmax
from pythia_cli.kernels.unembedding import TokenScores
from tests.kernels import likely as of_likely
from tests.kernels import plain
from tests.kernels.draws import MODERATE, Arrays, Draw, Twin, unwritten

NO_LANES = np.empty((0, 0, LANES), np.int32)
NO_HALVES = np.empty((0, 2, 0), np.int8), np.empty(0, np.int32)
"""`halves` and `totals` of an input that is not split."""
WIDTH_IN_LANES = 4 * LANES
"""Inputs of a multiple of this width can be packed."""


def over_values(function: Any) -> Callable[[Arrays, int, int], None]:
    """Run a scalar kernel over an array, inlined as in its real callers."""

    @numba.njit(nogil=True, error_model="numpy")
    def loop(x: Any, out: Any, lo: Any, hi: Any) -> None:
        for i in range(lo, hi):
            out[i] = function(x[i])

    return lambda a, lo, hi: loop(a["x"], a["out"], lo, hi)


def over_rows(function: Any) -> Callable[[Arrays, int, int], None]:
    """Run a kernel of one row, row by row."""

    def run(a: Arrays, lo: int, hi: int) -> None:
        for t in range(lo, hi):
            function(a, t)

    return run


def values(case: Draw) -> Arrays:
    return {"x": 2 * case.floats(case.d), "out": unwritten(case.d)}


def nonpositive_values(case: Draw) -> Arrays:
    x = -np.abs(20 * case.floats(case.d))
    x[case.rng.random(case.d) < 0.1] = -np.inf
    return {"x": x, "out": unwritten(case.d)}


def rows(case: Draw) -> Arrays:
    return {"x": 3 * case.floats(case.n, case.d)}


def rows_to_numbers(case: Draw) -> Arrays:
    return {**rows(case), "out": unwritten(case.n)}


def rows_to_weights(case: Draw) -> Arrays:
    return {
        **rows(case),
        "factor": np.float32(case.rng.choice([0.5, 1.0, 20.0, 1e38])),
        "weights": unwritten(case.n, case.d),
        "total": unwritten(case.n, dtype=np.float64),
    }


def row_to_weights(a: Arrays, t: int) -> None:
    exponentials(a["x"][t], float(a["factor"]), a["weights"][t], a["total"][t : t + 1])


def drawing(case: Draw) -> Arrays:
    x = np.abs(case.floats(case.n, case.d))
    x[:, case.rng.integers(case.d)] += np.float32(1e-30)  # not all 0
    out = unwritten(case.n, dtype=np.int64)
    return {"x": x, "fractions": case.rng.random(case.n), "out": out}


def draw_from_row(a: Arrays, t: int) -> None:
    draw(a["x"][t], a["fractions"][t], a["out"][t : t + 1])


def logits(case: Draw) -> Arrays:
    values = 3 * case.floats(case.n, case.d)
    members = (case.rng.random(case.d) < 0.3).astype(np.float32)
    members[values.argmax(axis=1)] = 1  # float32 has no exponentials below 1e-38
    return {
        "logits": values,
        "targets": case.rng.integers(0, case.d, case.n),
        "nll": unwritten(case.n, dtype=np.float64),
        "entropy": unwritten(case.n, dtype=np.float64),
        "rank": unwritten(case.n, dtype=np.int64),
        "set_logprob": unwritten(case.n, dtype=np.float64),
        "members": members,
    }


def score_by_pieces(a: Arrays, lo: int, hi: int) -> None:
    """Run both scoring kernels, with pieces of 64 if the vocabulary is small.

    Of the two that a target's logit may be, it is the first for half of the tokens.
    """
    n, d_vocab = a["logits"].shape
    size = LOGITS_PIECE if d_vocab > 1000 else 64
    targets = a["logits"][np.arange(n), a["targets"]]
    target_logits = np.stack([targets, targets, targets], axis=1)
    target_logits[np.arange(n), np.arange(n) % 2] += 1
    starts = range(0, d_vocab, size)
    sums = np.empty((n, len(starts), 6))
    for piece, first in enumerate(starts):
        part = np.ascontiguousarray(a["logits"][:, first : first + size])
        members, p = a["members"][first : first + size], np.empty(size, np.float32)
        score_piece(part, part.shape[1], target_logits, members, piece, p, sums, lo, hi)
    scores = TokenScores(a["nll"], a["entropy"], a["rank"], a["set_logprob"])
    merge_pieces(sums, target_logits, scores, lo, hi)


def row_outputs(output: Any) -> Callable[[Arrays, int, int], None]:
    """Run the kernel of one output over rows, for all tokens."""

    def run(a: Arrays, lo: int, hi: int) -> None:
        for row in range(lo, hi):
            for token in range(len(a["x"].q)):
                before = a["out"][token, row] if a["adds"] else np.float32(0)
                a["out"][token, row] = before + np.float32(output(a["linear"], a["x"], token, row))

    return run


def int8_rows(case: Draw) -> Arrays:
    return {"q": case.int8(case.n_rows, case.d), "sums": unwritten(case.n_rows, dtype=np.int32)}


def sum_rows(a: Arrays, lo: int, hi: int) -> None:
    row_sums(a["q"][lo:hi], a["sums"][lo:hi])


def embedding(case: Draw) -> Arrays:
    return {
        "embedding": Embedding(case.int8(case.n_rows, case.d), case.scales(case.n_rows)),
        "token_ids": case.rng.integers(0, case.n_rows, case.n),
        "out": unwritten(case.n, case.d),
    }


def norm(case: Draw) -> Arrays:
    return {
        "norm": Norm(
            weight=case.rng.normal(1, 0.2, case.d).astype(np.float32),
            bias=case.rng.normal(0, 0.2, case.d).astype(np.float32),
        ),
        "x": case.floats(case.n, case.d),
        "eps": float(case.rng.choice([1e-5, 1e-2])),
        "out": unwritten(case.n, case.d),
    }


def linear(case: Draw) -> Arrays:
    """A third of them with groups of tokens in lanes, and a third with a single token, split."""
    how = case.rng.integers(3)
    if how > 0:
        n = case.n + 3 * LANES if how == 1 else 1
        case = case._replace(n=n, d=-(-case.d // WIDTH_IN_LANES) * WIDTH_IN_LANES)
    return {
        "linear": ExactLinear(
            weight=case.int8(case.n_rows, case.d),
            scales=case.scales(case.n_rows),
            bias=case.rng.standard_normal(case.n_rows).astype(np.float32),
            room=unwritten(case.n_rows * case.d * int(case.rng.integers(2)), dtype=np.int16),
        ),
        "x": packed(
            Quantized(
                case.int16(activation_levels(case.d), case.n, case.d),
                case.scales(case.n),
                NO_LANES,
                *NO_HALVES,
            )
        ),
        "adds": bool(case.rng.integers(2)),
        "out": case.floats(case.n, case.n_rows),
    }


def byte_linear(case: Draw) -> Arrays:
    a = linear(case)
    weight = a["linear"].weight
    return {
        **a,
        "linear": ByteLinear(*a["linear"][:3], weight.sum(axis=1, dtype=np.int32)),
        "x": packed(
            Bytes(
                q=case.uint8(*a["x"].q.shape),
                scales=a["x"].scales,
                zeros=case.rng.integers(0, 256, len(a["x"].q), dtype=np.int32),
                lanes=NO_LANES,
            )
        ),
    }


def packed(x: Any) -> Any:
    """The input of a linear as tiles want it: in lanes, or split, if its width allows that."""
    n, d = x.q.shape
    if d % WIDTH_IN_LANES:
        return x
    x = x._replace(lanes=np.zeros((-(-n // LANES), d * x.q.itemsize // 4, LANES), np.int32))
    if x.q.dtype == np.uint8:
        byte_pack(x, 0, n)
        return x
    x = x._replace(halves=np.zeros((1, 2, d), np.int8), totals=np.zeros(1, np.int32))
    pack(x, 0, n)
    split(x, 0, n)
    return x


def unpacked_inputs(case: Draw) -> Arrays:
    n, d = LANES * case.n, WIDTH_IN_LANES * (1 + case.d % 3)
    q = case.int16(MAX_INT16, n, d)
    lanes = unwritten(case.n, d // 2, LANES, dtype=np.int32)
    return {"x": Quantized(q, case.scales(n), lanes, *NO_HALVES)}


def unsplit_inputs(case: Draw) -> Arrays:
    q = case.int16(activation_levels(case.d), case.n, case.d)
    room = unwritten(1, 2, case.d, dtype=np.int8), unwritten(1, dtype=np.int32)
    return {"x": Quantized(q, case.scales(case.n), NO_LANES, *room)}


def unpacked_bytes(case: Draw) -> Arrays:
    n, d = LANES * case.n, WIDTH_IN_LANES * (1 + case.d % 3)
    lanes = unwritten(case.n, d // 4, LANES, dtype=np.int32)
    return {"x": Bytes(case.uint8(n, d), case.scales(n), np.zeros(n, np.int32), lanes)}


def pack_groups(a: Arrays, lo: int, hi: int) -> None:
    pack(a["x"], lo * LANES, hi * LANES)


def pack_groups_of_bytes(a: Arrays, lo: int, hi: int) -> None:
    byte_pack(a["x"], lo * LANES, hi * LANES)


def byte_activations(case: Draw) -> Arrays:
    return {
        "x": case.floats(case.n, case.d),
        "centre": case.floats(case.d) * np.float32(case.rng.choice([0, 1, 30])),
        "q": unwritten(case.n, case.d, dtype=np.uint8),
        "scales": unwritten(case.n),
        "zeros": unwritten(case.n, dtype=np.int32),
    }


def byte_row(a: Arrays, t: int) -> None:
    a["scales"][t], a["zeros"][t] = quantize_row_bytes(a["x"][t], a["centre"], a["q"][t])


def read_bytes(a: Arrays) -> Arrays:
    zeros = a["zeros"].astype(np.int64)
    return {
        "scales": a["scales"],
        "x": (a["q"] - zeros[:, None]) * a["scales"].astype(np.float64)[:, None],
        "zero": zeros - zeros.clip(0, 255),
    }


def byte_inputs(case: Draw) -> Arrays:
    a = byte_activations(case)
    out = Bytes(a["q"], a["scales"], a["zeros"], NO_LANES)
    return {"x": a["x"], "centre": a["centre"], "out": out}


def written_bytes(a: Arrays) -> Arrays:
    return {name: values for name, values in a["out"]._asdict().items() if name != "lanes"}


def activations(case: Draw) -> Arrays:
    return {
        "x": case.floats(case.n, case.d),
        "levels": activation_levels(case.d * int(case.rng.choice([1, 64]))),
        "x_q": unwritten(case.n, case.d, dtype=np.int16),
        "x_scales": unwritten(case.n),
    }


def quantized_row(a: Arrays, t: int) -> None:
    a["x_scales"][t] = quantize_row(a["x"][t], a["levels"], a["x_q"][t])


def read_activations(a: Arrays) -> Arrays:
    return {
        "x_scales": a["x_scales"],
        "x": a["x_q"] * a["x_scales"].astype(np.float64)[:, None],
        "largest": np.abs(a["x_q"].astype(np.int64)).max(axis=1),
    }


def linear_inputs(case: Draw) -> Arrays:
    a = activations(case)
    return {"x": a["x"], "out": Quantized(a["x_q"], a["x_scales"], NO_LANES, *NO_HALVES)}


def written_inputs(a: Arrays) -> Arrays:
    return {"x_q": a["out"].q, "x_scales": a["out"].scales}


def read_inputs(a: Arrays) -> Arrays:
    return read_activations(written_inputs(a))


def scale_room() -> np.ndarray:
    return unwritten(2, len(SCALE_CANDIDATES))


def quantized_rows(case: Draw) -> Arrays:
    w = case.floats(case.n, case.d)
    q, scales = np.empty(w.shape, np.int8), np.empty(case.n, np.float32)
    quantize_weights(w, SCALE_CANDIDATES, scale_room(), q, scales, 0, case.n)
    return {
        "w": w, "q": q, "scales": scales, "mean": case.floats(case.d), "bias": case.floats(case.n),
        "error": unwritten(case.d), "corrected": unwritten(case.n), "centred": unwritten(case.n),
        "row_sums": unwritten(case.n, dtype=np.int32),
    }  # fmt: skip


def covariances(case: Draw) -> Arrays:
    """Positive definite matrices, small: as many as tokens."""
    d = min(case.d, 40)
    x = case.rng.standard_normal((case.n, d, 3 * d))
    h = x @ x.transpose(0, 2, 1) + 3 * d * np.eye(d)
    return {"h": h, "feedback": unwritten(case.n, d, d)}


def find_feedbacks(a: Arrays, lo: int, hi: int) -> None:
    for h, feedback in zip(a["h"][lo:hi], a["feedback"][lo:hi], strict=True):
        find_feedback(h.copy(), np.empty((ELIMINATED_TOGETHER, len(h))), feedback)


def rounded_rows(case: Draw) -> Arrays:
    w = case.floats(case.n_rows, case.d)
    scales = (np.abs(w).max(axis=1) / np.float32(127)).astype(np.float32)
    feedback = np.tril(case.rng.uniform(-0.3, 0.3, (case.d, case.d)), -1).astype(np.float32)
    return {
        "w": w,
        "scales": np.where(scales < 1e-37, np.float32(0), scales),
        "feedback": feedback / np.float32(1 + case.d / 50),
        "room": unwritten(3, max(case.d, 2 + COLUMNS_TOGETHER), FEEDBACK_ROWS),
        "q": unwritten(case.n_rows, case.d, dtype=np.int8),
    }


def read_rounded(a: Arrays) -> Arrays:
    """By how much more than half a level q is off, from what it should round; but if clipped."""
    target, _ = plain.moved_weights(a)
    scales = a["scales"].astype(np.float64)[:, None]
    q = a["q"].astype(np.float64)
    wanted = np.divide(target, scales, out=np.zeros_like(target), where=scales > 0)
    return {"beyond": np.maximum(np.abs(np.clip(wanted, -127, 127) - q) - 0.5, 0.0)}


def halves(case: Draw) -> Arrays:
    n = case.n * case.d
    bits = case.rng.integers(0, 1 << 16, n, dtype=np.uint16)
    # NaN is no figure that can be compared; test_float16.py has all halves.
    bits[(bits & 0x7C00) == 0x7C00] &= 0x83FF
    return {"bits": bits, "out": unwritten(n)}


def weights(case: Draw) -> Arrays:
    return {
        "w": case.floats(case.n_rows, case.d),
        "candidates": SCALE_CANDIDATES,
        "room": scale_room(),
        "q": unwritten(case.n_rows, case.d, dtype=np.int8),
        "scales": unwritten(case.n_rows),
    }


def read_weights(a: Arrays) -> Arrays:
    dequantized = a["q"] * a["scales"].astype(np.float64)[:, None]
    return {"error": plain.distance(dequantized, a["w"])}


def heads(case: Draw) -> Arrays:
    """One head per token, of even or odd width, and rotary tables."""
    d_head = 8 + case.d
    cos, sin = rotary_tables(case.n, int(d_head * case.rng.choice([0, 0.25, 0.5, 0.9])), 10000.0)
    return {"x": case.floats(case.n, d_head), "cos": cos, "sin": sin}


def new_tokens(case: Draw) -> Arrays:
    """qkv of n tokens from position `start` on, and a cache full of random values."""
    n_heads, d_head, start = 1 + case.n_rows % 4, 8 + case.d, int(case.rng.integers(70))
    n_blocks = (start + case.n) // KEY_BLOCK + 2
    n_positions = n_blocks * KEY_BLOCK
    n_rotary = int(d_head * case.rng.choice([0, 0.25, 0.5, 0.9]))
    cos, sin = rotary_tables(n_positions, n_rotary, 10000.0)
    keys = case.int8(n_heads, n_blocks, (d_head + 1) // 2, 2 * KEY_BLOCK)
    if d_head % 2:
        keys[:, :, -1, 1::2] = 0  # the padding
    kv = CachedLayer(
        keys,
        case.rng.uniform(0, 8e-3, (n_heads, n_positions)).astype(np.float32),
        case.int8(n_heads, n_positions // 2, 2 * d_head),
        case.rng.uniform(0, 8e-3, (n_heads, n_positions)).astype(np.float32),
    )
    return {
        "qkv": case.floats(case.n, n_heads * 3 * d_head),
        "start": start,
        "rotary": Rotary(cos, sin, rotary_blocks(cos, sin)),
        "centre": case.floats(n_heads * 3 * d_head),
        "kv": kv,
        "rotated": unwritten(d_head),
        "row": unwritten(d_head + 3, dtype=np.int16),
    }


def written_to_cache(a: Arrays) -> Arrays:
    keys, key_scales, values, value_scales = a["kv"]
    return {
        "keys": keys,
        "key_scales": key_scales,
        "values": values,
        "value_scales": value_scales,
    }


def read_cache(a: Arrays) -> Arrays:
    k, v = plain.cached(a["kv"])
    new = slice(a["start"], a["start"] + len(a["qkv"]))
    return {"k": k[:, new], "v": v[:, new]}


def queries(case: Draw) -> Arrays:
    a = new_tokens(case)
    del a["row"], a["rotated"]
    n_positions, d_head = a["kv"].key_scales.shape[1], a["kv"].values.shape[2] // 2
    tile = Tile(
        scores=np.full((N_QUERIES, n_positions), np.nan, np.float32),
        weights=unwritten(N_QUERIES, n_positions, dtype=np.int16),
        q=np.zeros((N_QUERIES, d_head + d_head % 2), np.int16),
        turns=unwritten(N_QUERIES, a["rotary"].blocks.shape[1]),
        q_scales=unwritten(N_QUERIES),
        sums=unwritten(N_QUERIES, 3),
        out_scales=unwritten(N_QUERIES),
        rotated=unwritten(N_QUERIES, d_head),
    )
    n_heads, row = len(a["kv"].keys), int(case.rng.integers(3))
    shown = unwritten(n_heads * int(case.rng.integers(2)), row + case.n + 1, n_positions)
    return {
        **a,
        "tile": tile,
        "shown": shown,
        "row": row,
        "out": unwritten(case.n, n_heads * d_head),
    }


def out_by_head(a: Arrays) -> Arrays:
    out = np.moveaxis(a["out"].reshape(len(a["out"]), len(a["kv"][0]), -1), 1, 0)
    return {"out": out, "shown": a["shown"]} if len(a["shown"]) else {"out": out}


def read_shown(a: Arrays) -> Arrays:
    """With 0 in place of -inf, which has no difference to itself."""
    found = out_by_head(a)
    return {name: np.where(np.isneginf(v), np.float32(0), v) for name, v in found.items()}


def patterns(case: Draw) -> Arrays:
    n = 1 + case.d % 40
    x = 3 * case.floats(case.n, n, n)
    x[:, *np.triu_indices(n, 1)] = -np.inf
    return {"x": x}


def only(*names: str) -> Callable[[Arrays], Arrays]:
    """These outputs, divided by lo and hi along the first axis."""
    return lambda a: {name: a[name] for name in names}


def columns(name: str) -> Callable[[Arrays], Arrays]:
    """This output, divided by lo and hi along the second axis."""
    return lambda a: {name: a[name].T}


_SUMS_EXACT = "integer sums are exact; two scales, the bias and the old value round once each"
_HALF_STEP = "half a step of int16, and the rounding of x / scale before that to an integer"

_ONE_STEP = "half a step of uint8 and half of the zero point, where a level is cut off at 0 or 255"

_SCORES = only("nll", "entropy", "rank", "set_logprob")

KERNELS = [
    Twin(
        "erf", erf, values, only("out"), plain.erf, 5e-7,
        "the rational function has an absolute error of 3e-7", run=over_values(erf),
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
        "one rounding per step: two exponentials of 2 ulp, a sum in 16 lanes, a division",
        run=over_rows(lambda a, t: softmax(a["x"][t], a["x"].shape[1])),
    ),
    Twin(
        "exponentials", exponentials, rows_to_weights, only("weights", "total"),
        plain.exponentials, 6e-8, "one rounding per step: a difference, a product and 2 ulp of exp",
        run=over_rows(row_to_weights),
    ),
    Twin(
        "draw", draw, drawing, only("out"), plain.draw, 0.0, "the same float64 sums in order",
        run=over_rows(draw_from_row),
    ),
    Twin(
        "score_piece", score_piece, logits, _SCORES, plain.score_rows, 3e-7,
        "short float32 sums gathered in float64, and one rounding of logit - largest",
        run=score_by_pieces,
    ),
    Twin(
        "merge_pieces", merge_pieces, logits, _SCORES, plain.score_rows, 3e-7,
        "float64 throughout, so only the error of score_piece", run=score_by_pieces,
    ),
    Twin("embed", embed, embedding, only("out"), plain.embed, 1e-7, "one product"),
    Twin(
        "gelu", gelu, rows, columns("x"), plain.gelu, 4e-7,
        "half of erf's error and three products",
    ),
    Twin(
        "layer_norm", layer_norm, norm, only("out"), plain.layer_norm, 6e-8,
        "one rounding per step: two sums in 16 lanes, a root, a division, three products",
    ),
    Twin("matmul", matmul, linear, columns("out"), plain.matmul, 3e-7, _SUMS_EXACT),
    Twin("matmul_plain", matmul_plain, linear, columns("out"), plain.matmul, 3e-7, _SUMS_EXACT),
    Twin(
        "byte_matmul", byte_matmul, byte_linear, columns("out"), plain.byte_matmul, 3e-7,
        _SUMS_EXACT,
    ),
    Twin(
        "byte_matmul_plain", byte_matmul_plain, byte_linear, columns("out"), plain.byte_matmul,
        3e-7, _SUMS_EXACT,
    ),
    Twin(
        "matmul_output", matmul_output, linear, columns("out"), plain.matmul, 3e-7, _SUMS_EXACT,
        run=row_outputs(matmul_output),
    ),
    Twin(
        "byte_matmul_output", byte_matmul_output, byte_linear, columns("out"), plain.byte_matmul,
        3e-7, _SUMS_EXACT, run=row_outputs(byte_matmul_output),
    ),
    Twin(
        "find_residual", find_residual, of_likely.coarse_inputs, only("residual"),
        of_likely.plain_residual, 2e-7, "a 256th of a step of uint8",
        measured=of_likely.read_residual, run=of_likely.find_residuals,
    ),
    Twin(
        "find_likely", find_likely, of_likely.pieces, only("is_likely"),
        of_likely.plain_likely, 0.0, "comparisons do not round",
        run=over_rows(of_likely.likely_of_row),
    ),
    Twin(
        "refine", refine, of_likely.residuals, only("z"), of_likely.plain_refined, 2e-7,
        "integer sums are exact; two scales and the old value round once each",
        run=over_rows(of_likely.refine_row),
    ),
    Twin(
        "row_sums", row_sums, int8_rows, only("sums"), plain.row_sums, 0.0, "integers",
        run=sum_rows,
    ),
    Twin(
        "quantize_row_bytes", quantize_row_bytes, byte_activations, only("q", "scales", "zeros"),
        plain.quantize_rows_bytes, 2e-7, _ONE_STEP, measured=read_bytes, run=over_rows(byte_row),
    ),
    Twin(
        "quantize_rows_bytes", quantize_rows_bytes, byte_activations,
        only("q", "scales", "zeros"), plain.quantize_rows_bytes, 2e-7, _ONE_STEP,
        measured=read_bytes,
    ),
    Twin(
        "quantize_bytes", quantize_bytes, byte_inputs, written_bytes, plain.quantize_rows_bytes,
        2e-7, _ONE_STEP, measured=lambda a: read_bytes(written_bytes(a)),
    ),
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
        "pack", pack, unpacked_inputs, lambda a: {"lanes": a["x"].lanes}, plain.pack, 0.0,
        "integers that are moved", run=pack_groups,
    ),
    Twin(
        "byte_pack", byte_pack, unpacked_bytes, lambda a: {"lanes": a["x"].lanes}, plain.pack, 0.0,
        "integers that are moved", run=pack_groups_of_bytes,
    ),
    Twin(
        "split", split, unsplit_inputs,
        lambda a: {"halves": a["x"].halves, "totals": a["x"].totals}, plain.split, 0.0,
        "integers",
    ),
    Twin(
        "widen_float16", widen_float16, halves, only("out"), plain.widen_float16, 0.0,
        "every half is a float32",
    ),
    Twin(
        "quantize_weights", quantize_weights, weights, only("q", "scales"), plain.quantize_weights,
        2e-7, "the errors that rank the candidates: a product and a difference for each weight",
        measured=read_weights,
    ),
    Twin(
        "find_feedback", find_feedback, covariances, only("feedback"), plain.find_feedback, 1e-6,
        "float64, but for the last rounding", run=find_feedbacks,
    ),
    Twin(
        "round_with_feedback", round_with_feedback, rounded_rows, only("q"),
        plain.round_with_feedback, 1.2e-7, "two roundings for each error that is added",
        measured=read_rounded,
    ),
    Twin(
        "correct_bias", correct_bias, quantized_rows, only("corrected", "centred", "row_sums"),
        plain.correct_bias, 2e-7, "a chain of fused multiply-adds in each lane",
    ),
    Twin(
        "rotate_half", rotate_half, heads, only("x"), plain.rotate_half, 2e-7,
        "two products and their sum",
        run=over_rows(lambda a, t: rotate_half(a["x"][t], a["cos"][t], a["sin"][t])),
    ),
    Twin(
        "append_to_cache", append_to_cache, new_tokens, written_to_cache, plain.append_to_cache,
        2e-7, "the rotation, then half a step of int8", measured=read_cache,
    ),
    Twin(
        "attention", attention, queries, out_by_head, plain.attention, 2e-7,
        "half a step of int16 for queries and weights; multiply-adds, and an exponential",
        measured=read_shown, kinds=MODERATE,
    ),
    Twin(
        "causal_softmax", causal_softmax, patterns, only("x"), plain.causal_softmax, 5e-7,
        "2 ulp of the exponentials, and the roundings of their sum", kinds=MODERATE,
    ),
]  # fmt: skip
