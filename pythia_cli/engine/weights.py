"""The tensors of an open int8 file, as the compiled forward pass takes them."""

from __future__ import annotations

from pythia_cli.checkpoints.int8_file import Int8File
from pythia_cli.kernels.entries import Weights


def weights_of(file: Int8File) -> Weights:
    """Views in place; nothing is copied."""
    t = file.tensors
    return Weights(
        embed_in_q8=t["embed_in.weight"],
        embed_in_scales=t["embed_in.scales"],
        input_norm_weight=t["layers.input_layernorm.weight"],
        input_norm_bias=t["layers.input_layernorm.bias"],
        post_attention_norm_weight=t["layers.post_attention_layernorm.weight"],
        post_attention_norm_bias=t["layers.post_attention_layernorm.bias"],
        qkv_q8=t["layers.attention.query_key_value.weight"],
        qkv_scales=t["layers.attention.query_key_value.scales"],
        qkv_bias=t["layers.attention.query_key_value.bias"],
        dense_q8=t["layers.attention.dense.weight"],
        dense_scales=t["layers.attention.dense.scales"],
        dense_bias=t["layers.attention.dense.bias"],
        up_q8=t["layers.mlp.dense_h_to_4h.weight"],
        up_scales=t["layers.mlp.dense_h_to_4h.scales"],
        up_bias=t["layers.mlp.dense_h_to_4h.bias"],
        down_q8=t["layers.mlp.dense_4h_to_h.weight"],
        down_scales=t["layers.mlp.dense_4h_to_h.scales"],
        down_bias=t["layers.mlp.dense_4h_to_h.bias"],
        final_norm_weight=t["final_layer_norm.weight"],
        final_norm_bias=t["final_layer_norm.bias"],
        embed_out_q8=t["embed_out.weight"],
        embed_out_scales=t["embed_out.scales"],
    )
