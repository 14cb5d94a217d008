"""Names of parameters: the layer apart, patterns, the order of the model."""

from __future__ import annotations

import pytest

from pythia_cli.errors import UnknownName
from pythia_cli.measures.weight_parameters import NAMES, names_matching, parameters_of
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.parameters import published_tensors

CONFIG = ModelConfig(n_layers=12, n_heads=2, d_model=16, d_mlp=40, d_vocab=33, n_ctx=24)


def test_every_tensor_once_in_the_order_of_the_model() -> None:
    found = parameters_of(CONFIG)
    expected = published_tensors(CONFIG)
    assert {one.published: one.shape for one in found} == {n: t.shape for n, t in expected.items()}
    assert len(found) == len(expected)
    layers = [one.layer for one in found]
    inside = [layer for layer in layers if layer is not None]
    assert inside == sorted(inside)
    assert layers[0] is None
    assert layers[-3:] == [None] * 3
    assert [one.name for one in found if one.layer in (None, 11)] == [
        "embed_in.weight",
        "attention.query_key_value.weight", "attention.query_key_value.bias",
        "attention.dense.weight", "attention.dense.bias",
        "mlp.dense_h_to_4h.weight", "mlp.dense_h_to_4h.bias",
        "mlp.dense_4h_to_h.weight", "mlp.dense_4h_to_h.bias",
        "input_layernorm.weight", "input_layernorm.bias",
        "post_attention_layernorm.weight", "post_attention_layernorm.bias",
        "final_layer_norm.weight", "final_layer_norm.bias",
        "embed_out.weight",
    ]  # fmt: skip
    for one in found:
        inner = "" if one.layer is None else f"layers.{one.layer}."
        start = "" if one.name == "embed_out.weight" else "gpt_neox."
        assert one.published == f"{start}{inner}{one.name}"
        assert bool(one.parts) == ("query_key_value" in one.name)


def test_patterns() -> None:
    assert names_matching() == list(NAMES)
    assert names_matching(["embed_out.weight", "embed_*"]) == [
        "embed_in.weight",
        "embed_out.weight",
    ]
    found = parameters_of(CONFIG, ["attention.*.bias", "final*"])
    assert len(found) == 2 * 12 + 2


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (["embed_out.weights"], "unknown parameter 'embed_out.weights'; did you mean embed_out.w"),
        (["*", "xyzzy*"], r"unknown parameter 'xyzzy\*'$"),
        (["*", ""], "unknown parameter ''"),
        ([], "unknown parameter ''"),
        (["gpt_neox.layers.0.attention.dense.weight"], "did you mean attention.dense.weight"),
        (["Attention.*"], "unknown parameter"),
    ],
)
def test_a_name_of_none(wanted: list[str], says: str) -> None:
    with pytest.raises(UnknownName, match=says):
        names_matching(wanted)
