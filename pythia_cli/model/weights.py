"""Named views over an open int8 file, as the jitted forward pass takes them."""

from __future__ import annotations

from typing import Any, NamedTuple

from pythia_cli.int8_file import Int8File


class Weights(NamedTuple):
    """All tensors of a model. `*_q8` int8 with `*_scales`, one a row; the rest float32.

    Layers are the first axis: qkv_q8 [n_layers, 3 * d_model, d_model] and so on.
    """

    embed_in_q8: Any
    embed_in_scales: Any
    input_norm_weight: Any
    input_norm_bias: Any
    post_attention_norm_weight: Any
    post_attention_norm_bias: Any
    qkv_q8: Any
    qkv_scales: Any
    qkv_bias: Any
    dense_q8: Any
    dense_scales: Any
    dense_bias: Any
    up_q8: Any
    up_scales: Any
    up_bias: Any
    down_q8: Any
    down_scales: Any
    down_bias: Any
    final_norm_weight: Any
    final_norm_bias: Any
    embed_out_q8: Any
    embed_out_scales: Any

    @classmethod
    def from_file(cls, file: Int8File) -> Weights:
        """Views in place; nothing is copied."""
        t = file.tensors
        return cls(
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

    def without_layers(self) -> Weights:
        """The same, of a model of no layers."""
        layered = {
            name: array[:0]
            for name, array in self._asdict().items()
            if not name.startswith(("embed_", "final_"))
        }
        return self._replace(**layered)
