"""What the float32 reference shows a tap, against transformers and TransformerLens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pythia_cli.engine.activation_names import activations_of
from pythia_cli.engine.reference import Reference
from pythia_cli.engine.reference_inside import Float32Inside
from pythia_cli.errors import UsageError
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.golden_index import NAMES, golden
from tests.golden_inside import golden_activations, golden_streams
from tests.taps import Array, KeepingTap

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def demo(demo_folder: Callable[[int], Path]) -> Reference:
    return Reference.from_checkpoint(FloatCheckpoint(demo_folder(3000)))


@pytest.mark.parametrize("name", NAMES)
def test_hidden_states_and_attentions_of_transformers(
    golden_folder: Callable[[str], Path], name: str
) -> None:
    reference = Reference.from_checkpoint(FloatCheckpoint(golden_folder(name)))
    expected, tap = golden_streams()[name], KeepingTap()
    token_ids = golden(name)[0][: expected.hidden.shape[1]]
    Float32Inside(reference).run([token_ids], tap)
    found = tap.of(0)
    n_layers = reference.config.n_layers
    streams = [found[f"blocks.{i}.hook_resid_pre"] for i in range(n_layers)]
    streams.append(found["unembed.hook_in"])
    np.testing.assert_allclose(streams, expected.hidden, atol=TOLERANCE)
    last = found[f"blocks.{n_layers - 1}.hook_resid_post"]
    np.testing.assert_allclose(last, expected.last_layer, atol=TOLERANCE)
    patterns = [found[f"blocks.{i}.attn.hook_pattern"] for i in range(n_layers)]
    np.testing.assert_allclose(patterns, expected.attentions, atol=TOLERANCE)
    assert found["logits"].tobytes() == reference.logits(token_ids).tobytes()


def test_names_and_values_of_transformer_lens(demo: Reference) -> None:
    expected = {**golden_activations()}
    tap = KeepingTap()
    Float32Inside(demo).run([expected.pop("token_ids")], tap)
    found = tap.of(0)
    assert list(found) == list(activations_of(demo.config))
    expected["logits"] = expected.pop("unembed.hook_out")
    # Of what TransformerLens has only with an option, we give none (docs/inside.md).
    optional = ("hook_result", "hook_mlp_in")
    expected = {name: v for name, v in expected.items() if not name.endswith(optional)}
    in_ends = {n for n in found if not n.startswith("blocks.") or n[7] in "05"}
    assert in_ends == set(expected)
    for name, values in expected.items():
        assert (np.isneginf(found[name]) == np.isneginf(values)).all()
        finite = np.isfinite(values)
        np.testing.assert_allclose(
            found[name][finite], values[finite], atol=TOLERANCE, err_msg=name
        )


@pytest.mark.parametrize("layer", [0, 3, 5])
def test_a_head_without_output_is_one_without_columns_of_the_dense_weight(
    demo_folder: Callable[[int], Path], demo: Reference, layer: int
) -> None:
    ablated = Reference.from_checkpoint(FloatCheckpoint(demo_folder(3000)))
    dense = ablated.tensors[f"layers.{layer}.attention.dense.weight"]
    dense[:, 32:64] = 0

    def without_head(name: str, values: Array) -> Array:
        new = values.copy()
        new[:, 1] = 0
        return new if name.endswith("hook_z") else values

    text = np.arange(3, 90)
    tap = KeepingTap({f"blocks.{layer}.attn.hook_z", "logits"}, without_head)
    Float32Inside(demo).run([text], tap)
    assert tap.seen["logits", 0].tobytes() == ablated.logits(text).tobytes()


def test_what_is_returned_as_a_copy_changes_no_bit(demo: Reference) -> None:
    text = np.arange(3, 90)
    taps = KeepingTap(), KeepingTap(change=lambda name, values: values.copy())
    for tap in taps:
        Float32Inside(demo).run([text], tap)
    for key, values in taps[0].seen.items():
        assert taps[1].seen[key].tobytes() == values.tobytes(), key
    assert taps[0].seen["logits", 0].tobytes() == demo.logits(text).tobytes()


def test_unembedding_a_residual_stream_gives_the_logits(demo: Reference) -> None:
    inside, tap = Float32Inside(demo), KeepingTap({"blocks.5.hook_resid_post", "logits"})
    inside.run([np.arange(9)], tap)
    logits = inside.unembed(tap.seen["blocks.5.hook_resid_post", 0])
    assert logits.tobytes() == tap.seen["logits", 0].tobytes()


@pytest.mark.parametrize("text", [np.arange(0), np.arange(513), np.array([4096])])
def test_texts_that_cannot_run(demo: Reference, text: Array) -> None:
    with pytest.raises(UsageError):
        Float32Inside(demo).run([text], KeepingTap())
