"""The kernels that Python calls, with the types of their arguments. No Numba here.

Kernels are compiled for these types ahead of a call (compile.py), and called with them by
compiled.py. An argument is an array, a number, or a NamedTuple of such; arrays are C-contiguous.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import numpy as np


class ArrayType(NamedTuple):
    """What a kernel is compiled for: numpy's code of the type without byte order, and axes."""

    dtype: str
    n_axes: int


_Array = np.ndarray[Any, Any]
Int8s2 = Annotated[_Array, ArrayType("i1", 2)]
Int8s3 = Annotated[_Array, ArrayType("i1", 3)]
Int16s2 = Annotated[_Array, ArrayType("i2", 2)]
Int16s5 = Annotated[_Array, ArrayType("i2", 5)]
Int16s6 = Annotated[_Array, ArrayType("i2", 6)]
Int64s1 = Annotated[_Array, ArrayType("i8", 1)]
Int64s2 = Annotated[_Array, ArrayType("i8", 2)]
Floats1 = Annotated[_Array, ArrayType("f4", 1)]
Floats2 = Annotated[_Array, ArrayType("f4", 2)]
Floats3 = Annotated[_Array, ArrayType("f4", 3)]
Floats4 = Annotated[_Array, ArrayType("f4", 4)]
Doubles1 = Annotated[_Array, ArrayType("f8", 1)]
Doubles3 = Annotated[_Array, ArrayType("f8", 3)]


class Shape(NamedTuple):
    """What `forward` needs of the configuration."""

    n_heads: int
    eps: float
    parallel: int
    levels_model: int
    levels_mlp: int


class Weights(NamedTuple):
    """All tensors of a model. `*_q8` int8 with `*_scales`, one a row; the rest float32.

    Layers are the first axis: qkv_q8 [n_layers, 3 * d_model, d_model] and so on.
    """

    embed_in_q8: Int8s2
    embed_in_scales: Floats1
    input_norm_weight: Floats2
    input_norm_bias: Floats2
    post_attention_norm_weight: Floats2
    post_attention_norm_bias: Floats2
    qkv_q8: Int8s3
    qkv_scales: Floats2
    qkv_bias: Floats2
    dense_q8: Int8s3
    dense_scales: Floats2
    dense_bias: Floats2
    up_q8: Int8s3
    up_scales: Floats2
    up_bias: Floats2
    down_q8: Int8s3
    down_scales: Floats2
    down_bias: Floats2
    final_norm_weight: Floats1
    final_norm_bias: Floats1
    embed_out_q8: Int8s2
    embed_out_scales: Floats1


class Scratch(NamedTuple):
    """Room for the activations of a chunk [n, d]; `*_q` int16 with `*_scales`, one a token.

    attention_scores [n_ranks, N_QUERIES, n_positions]; no_bias [d_vocab] is zeros.
    """

    x: Floats2
    normed: Floats2
    input_q: Int16s2
    input_scales: Floats1
    post_q: Int16s2
    post_scales: Floats1
    qkv: Floats2
    attended: Floats2
    attended_q: Int16s2
    attended_scales: Floats1
    mlp: Floats2
    mlp_q: Int16s2
    mlp_scales: Floats1
    attention_scores: Floats3
    no_bias: Floats1


class Cache(NamedTuple):
    """Keys and values of n_rows texts, in 16 bits; kernels/attention.py says how they stand.

    keys [n_layers, n_rows, n_heads, n_blocks, d_head, KEY_BLOCK];
    values [n_layers, n_rows, n_heads, n_positions, d_head]; scales without their last axes.
    """

    keys: Int16s6
    key_scales: Floats4
    values: Int16s5
    value_scales: Floats4


class Scores(NamedTuple):
    """What `forward` says of targets [m]: nll, entropy, ranks [m]; the rest is room for that.

    target_logits [n, 1], logits [n_ranks, n, SCORE_PIECE], p [n_ranks, SCORE_PIECE],
    sums [n, n_pieces, 4], n being at least m.
    """

    target_logits: Floats2
    logits: Floats3
    p: Floats2
    sums: Doubles3
    nll: Doubles1
    entropy: Doubles1
    ranks: Int64s1


class Entry(NamedTuple):
    """Where a kernel is, and its arguments' types in order.

    A team's kernel has two more before them: rank and n_ranks.
    """

    module: str
    function: str
    arguments: tuple[Any, ...]
    for_team: bool = False


_FORWARD = (
    Int64s1, Shape, Weights, Scratch, Cache, Floats2, Floats2,
    Int64s1, Int64s2, Int64s1, Floats2, Int64s1, Scores,
)  # fmt: skip

ENTRIES = {
    "forward": Entry("forward", "forward", _FORWARD, for_team=True),
    "exponentials": Entry("softmax", "exponentials", (Floats1, float, Floats1, Doubles1)),
    "draw": Entry("softmax", "draw", (Floats1, float, Int64s1)),
    "quantize_weights": Entry(
        "quantize_weights",
        "quantize_weights",
        (Floats2, Floats1, Floats1, Int8s2, Floats1, int, int),
    ),
}
"""Each kernel's name, and what it is called with."""
