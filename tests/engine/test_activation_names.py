"""Names of activations: what depends on the model."""

from __future__ import annotations

from dataclasses import replace

from pythia_cli.engine.activation_names import activations_of, names_at_the_ends, names_in_layers
from tests.inside.test_selection import CONFIG


def test_a_stream_between_attention_and_mlp_is_in_serial_models_only() -> None:
    name = "blocks.3.hook_resid_mid"
    assert name not in activations_of(CONFIG)
    assert name in activations_of(replace(CONFIG, use_parallel_residual=False))


def test_they_are_in_the_order_of_computation() -> None:
    names = list(activations_of(CONFIG))
    assert names[0] == "hook_embed"
    assert names[-2:] == ["unembed.hook_in", "logits"]
    layers = [int(name.split(".")[1]) for name in names if name.startswith("blocks.")]
    assert layers == sorted(layers)
    assert max(layers) == CONFIG.n_layers - 1
    assert len(names) == len(names_at_the_ends()) + CONFIG.n_layers * (len(names_in_layers()) - 1)


def test_what_nothing_is_computed_from_cannot_be_patched() -> None:
    known = activations_of(CONFIG)
    fixed = {name for name, one in known.items() if not one.can_be_patched}
    fixed = {name.split(".", 2)[2] if name.startswith("blocks.") else name for name in fixed}
    assert fixed == {"ln1.hook_scale", "ln2.hook_scale", "ln_final.hook_scale", "logits"}


def test_shapes() -> None:
    known = activations_of(CONFIG)
    assert known["blocks.0.attn.hook_pattern"].shape(CONFIG, 5) == (4, 5, 5)
    assert known["blocks.0.attn.hook_q"].shape(CONFIG, 5) == (5, 4, 8)
    assert known["blocks.0.mlp.hook_pre"].shape(CONFIG, 5) == (5, 64)
    assert known["blocks.0.ln1.hook_scale"].shape(CONFIG, 5) == (5, 1)
    assert known["logits"].shape(CONFIG, 5) == (5, 50)
