"""The activations of a model by TransformerLens' names, for layer norms that are not folded.

Nanda and Bloom 2022, TransformerLens; docs/inside.md has them beside those of transformers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pythia_cli.suite.config import ModelConfig

Axis = Literal["position", "query", "key", "head", "d_model", "d_head", "d_mlp", "d_vocab", "one"]

LOGITS = "logits"
UNEMBED_IN = "unembed.hook_in"
EMBED = "hook_embed"


@dataclass(frozen=True)
class Activation:
    """An activation of one text. layer: None if it is not of a layer.

    can_be_patched: whether what follows is computed from it.
    """

    name: str
    layer: int | None
    axes: tuple[Axis, ...]
    can_be_patched: bool

    def shape(self, config: ModelConfig, n: int) -> tuple[int, ...]:
        """Its shape for a text of n tokens."""
        sizes = {"position": n, "query": n, "key": n, "head": config.n_heads, "one": 1}
        return tuple(
            sizes[axis] if axis in sizes else int(getattr(config, axis)) for axis in self.axes
        )


_STREAM: tuple[Axis, ...] = ("position", "d_model")
_HEADS: tuple[Axis, ...] = ("position", "head", "d_head")
_SCALE: tuple[Axis, ...] = ("position", "one")
_ATTENTION: tuple[Axis, ...] = ("head", "query", "key")
_MLP: tuple[Axis, ...] = ("position", "d_mlp")

_IN_LAYERS: dict[str, tuple[Axis, ...]] = {
    "hook_resid_pre": _STREAM,
    "ln1.hook_scale": _SCALE,
    "ln1.hook_normalized": _STREAM,
    "attn.hook_q": _HEADS,
    "attn.hook_k": _HEADS,
    "attn.hook_v": _HEADS,
    "attn.hook_rot_q": _HEADS,
    "attn.hook_rot_k": _HEADS,
    "attn.hook_attn_scores": _ATTENTION,
    "attn.hook_pattern": _ATTENTION,
    "attn.hook_z": _HEADS,
    "hook_attn_out": _STREAM,
    "hook_resid_mid": _STREAM,
    "ln2.hook_scale": _SCALE,
    "ln2.hook_normalized": _STREAM,
    "mlp.hook_pre": _MLP,
    "mlp.hook_post": _MLP,
    "hook_mlp_out": _STREAM,
    "hook_resid_post": _STREAM,
}
_AT_THE_ENDS: dict[str, tuple[Axis, ...]] = {
    EMBED: _STREAM,
    "ln_final.hook_scale": _SCALE,
    "ln_final.hook_normalized": _STREAM,
    UNEMBED_IN: _STREAM,
    LOGITS: ("position", "d_vocab"),
}
_BETWEEN = "hook_resid_mid"
"""Only where the MLP reads what attention has added to (not use_parallel_residual)."""

OUTSIDE_PARTS = ("hook_resid_pre", "hook_resid_post")
"""What is seen of a layer that is run as a whole."""


def in_layer(layer: int, name: str) -> str:
    """The full name of an activation of a layer."""
    return f"blocks.{layer}.{name}"


def names_in_layers() -> list[str]:
    """The names of activations in layers, without the layer, of any model."""
    return list(_IN_LAYERS)


def names_at_the_ends() -> list[str]:
    """The names of activations that are in no layer."""
    return list(_AT_THE_ENDS)


def names_in_layer(config: ModelConfig) -> list[str]:
    """The names of a layer's activations, in the order in which they are computed."""
    return [n for n in _IN_LAYERS if n != _BETWEEN or not config.use_parallel_residual]


def activations_of(config: ModelConfig) -> dict[str, Activation]:
    """All activations of a model by name, in the order in which they are computed."""
    found = [Activation(EMBED, None, _STREAM, can_be_patched=True)]
    for layer in range(config.n_layers):
        found += [
            Activation(in_layer(layer, name), layer, _IN_LAYERS[name], _can_be_patched(name))
            for name in names_in_layer(config)
        ]
    found += [
        Activation(name, None, axes, _can_be_patched(name))
        for name, axes in _AT_THE_ENDS.items()
        if name != EMBED
    ]
    return {one.name: one for one in found}


def _can_be_patched(name: str) -> bool:
    return not name.endswith("hook_scale") and name != LOGITS
