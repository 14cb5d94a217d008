"""What the forward pass is given: the model, its buffers, the texts, and the rank that runs."""

from __future__ import annotations

from typing import Any, NamedTuple

from pythia_cli.jit.signature import Floats1, Floats2, Int16s2, Int32s1, Int32s2, Int64s2
from pythia_cli.kernels.attention_structures import AttentionScratch, Rotary
from pythia_cli.kernels.embedding import Embedding
from pythia_cli.kernels.layer_norm import Norm, Norms
from pythia_cli.kernels.linear import Bytes, Linear, Linears, Quantized


class Weights(NamedTuple):
    """All parameters, by the last part of each module's published name."""

    embed_in: Embedding
    query_key_value: Linears
    dense: Linears
    dense_h_to_4h: Linears
    dense_4h_to_h: Linears
    input_layernorm: Norms
    post_attention_layernorm: Norms
    final_layer_norm: Norm
    embed_out: Linear


class ByteParts(NamedTuple):
    """What the linears of all layers need besides their weights for inputs of 8 bits.

    centre [n_layers, d_in]: taken off their input. centred_bias [n_layers, d_out]: their bias, and
    what they make of the centre. row_sums [n_layers, d_out].
    """

    centre: Floats2
    centred_bias: Floats2
    row_sums: Int32s2


class ByteUnembedding(NamedTuple):
    """What embed_out needs besides its weights for inputs of 8 bits.

    row_sums [d_vocab]: those of the int8 weights. centre [d_model]: zeros, as files do not have the
    mean of this input.
    """

    row_sums: Int32s1
    centre: Floats1


class ByteModel(NamedTuple):
    """What a model needs for inputs of 8 bits, by the last part of each module's published name."""

    query_key_value: ByteParts
    dense: ByteParts
    dense_h_to_4h: ByteParts
    dense_4h_to_h: ByteParts
    embed_out: ByteUnembedding


class ForwardModel(NamedTuple):
    """The model: the same for all passes.

    key_centre [n_layers, 3 * d_model]: laid out as the bias of query_key_value; its parts for k are
    taken off the keys. fast: 1 if the inputs of linears have 8 bits, else 0; then `bytes` is used.
    parallel: 1 if attention and MLP both read the layer's input, else 0.
    """

    weights: Weights
    fast: int
    bytes: ByteModel
    parallel: int
    eps: float
    rotary: Rotary
    key_centre: Floats2


class Input(NamedTuple):
    """Room for the input of a linear in 16 bits and in 8."""

    exact: Quantized
    bytes: Bytes


class Scratch(NamedTuple):
    """Buffers for the activations of n tokens.

    x [n, d_model] is the residual stream. attention_input and mlp_input are its layer norms,
    quantized; either the part `exact` or the part `bytes` of an Input is used. Rows of x, qkv,
    attended and mlp may be longer than what they hold.
    widened [n_ranks, n]: a rank's room for weights in 16 bits (ExactLinear). claims
    [LAYER_CLAIMS * n_layers + 1, n_ranks] must be zero at the start of a pass.
    """

    x: Floats2
    normed: Floats2
    attention_input: Input
    mlp_input: Input
    qkv: Floats2
    attended: Floats2
    attended_input: Input
    mlp: Floats2
    mlp_hidden: Input
    attention: AttentionScratch
    widened: Int16s2
    claims: Int64s2


class Texts(NamedTuple):
    """The texts of a pass, their cache and scores, as in the arguments of `forward`."""

    spans: Any
    cache: Any
    scores: Any


class Ranks(NamedTuple):
    """This rank, the number of ranks, and the array that they share."""

    rank: Any
    n_ranks: Any
    shared: Any
