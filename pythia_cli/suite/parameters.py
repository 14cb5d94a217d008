"""The parameters of a GPT-NeoX model, listed once: kinds, names and shapes. No files here.

A module has parts: `weight`, and `bias` where its kind has one. A matrix is kept in int8, with
`scales`, one for each of its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from pythia_cli.suite.config import ModelConfig

Kind = Literal["embedding", "linear", "norm", "unembedding"]


@dataclass(frozen=True)
class Module:
    """One module of the model, or the same one of all layers: then `published` has {layer}.

    name: in the int8 file, where all layers are in one tensor. weight_shape: a layer's.
    """

    kind: Kind
    name: str
    published: str
    weight_shape: Callable[[ModelConfig], tuple[int, ...]]

    @property
    def in_layers(self) -> bool:
        """Whether each layer has one."""
        return "{layer}" in self.published

    @property
    def short_name(self) -> str:
        """The last part of its name."""
        return self.name.rpartition(".")[2]

    @property
    def published_parts(self) -> tuple[str, ...]:
        """The tensors of it that a float checkpoint has."""
        return ("weight", "bias") if self.kind in ("linear", "norm") else ("weight",)

    @property
    def is_matrix(self) -> bool:
        """Whether its weight is kept in int8, with scales."""
        return self.kind != "norm"

    def shape(self, part: str, config: ModelConfig) -> tuple[int, ...]:
        """The shape of a part in one layer."""
        weight = self.weight_shape(config)
        return weight if part == "weight" else weight[:1]

    def stacked_shape(self, part: str, config: ModelConfig) -> tuple[int, ...]:
        """The shape of a part with the layers, where it is in them, as the first axis."""
        layers = (config.n_layers,) if self.in_layers else ()
        return (*layers, *self.shape(part, config))

    def published_names(self, part: str, config: ModelConfig) -> list[str]:
        """The published name of a part: of each layer, or the only one."""
        layers = range(config.n_layers) if self.in_layers else range(1)
        return [f"{self.published.format(layer=layer)}.{part}" for layer in layers]


def _layer_module(
    kind: Kind, inner: str, weight_shape: Callable[[ModelConfig], tuple[int, ...]]
) -> Module:
    return Module(kind, f"layers.{inner}", f"gpt_neox.layers.{{layer}}.{inner}", weight_shape)


MODULES = (
    Module("embedding", "embed_in", "gpt_neox.embed_in", lambda c: (c.d_vocab, c.d_model)),
    _layer_module("linear", "attention.query_key_value", lambda c: (3 * c.d_model, c.d_model)),
    _layer_module("linear", "attention.dense", lambda c: (c.d_model, c.d_model)),
    _layer_module("linear", "mlp.dense_h_to_4h", lambda c: (c.d_mlp, c.d_model)),
    _layer_module("linear", "mlp.dense_4h_to_h", lambda c: (c.d_model, c.d_mlp)),
    _layer_module("norm", "input_layernorm", lambda c: (c.d_model,)),
    _layer_module("norm", "post_attention_layernorm", lambda c: (c.d_model,)),
    Module("norm", "final_layer_norm", "gpt_neox.final_layer_norm", lambda c: (c.d_model,)),
    Module("unembedding", "embed_out", "embed_out", lambda c: (c.d_vocab, c.d_model)),
)
"""All of them, in the order of the int8 file."""


@dataclass(frozen=True)
class PublishedTensor:
    """Where a published tensor belongs: a part of a module, in this layer (0 where in none)."""

    module: Module
    part: str
    layer: int
    shape: tuple[int, ...]


def published_tensors(config: ModelConfig) -> dict[str, PublishedTensor]:
    """All tensors of a float checkpoint by name."""
    return dict(_published_tensors(config))


def _published_tensors(config: ModelConfig) -> Iterator[tuple[str, PublishedTensor]]:
    for module in MODULES:
        for part in module.published_parts:
            shape = module.shape(part, config)
            for layer, name in enumerate(module.published_names(part, config)):
                yield name, PublishedTensor(module, part, layer, shape)
