"""Which activations are chosen, and which parts of them are kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pythia_cli.engine.activation_names import activations_of
from pythia_cli.errors import InvalidValue, UnknownName
from pythia_cli.inside.problems import OutsideText, TooLarge
from pythia_cli.inside.selection import Selection, matching
from pythia_cli.suite.config import ModelConfig

CONFIG = ModelConfig(
    n_layers=12, n_heads=4, d_model=32, d_mlp=64, d_vocab=50, n_ctx=16, rotary_pct=0.25,
    rotary_base=10000.0, layer_norm_eps=1e-5, use_parallel_residual=True,
)  # fmt: skip


def test_patterns_match_in_the_order_of_computation() -> None:
    found = list(matching(CONFIG, ["logits", "blocks.1*.hook_resid_post", "hook_embed"]))
    layers = (1, 10, 11)
    assert found == ["hook_embed", *(f"blocks.{i}.hook_resid_post" for i in layers), "logits"]
    assert list(matching(CONFIG, "*")) == list(activations_of(CONFIG))


@pytest.mark.parametrize(
    ("pattern", "nearest"),
    [
        ("blocks.3.hook_resid_pots", "blocks.3.hook_resid_post"),
        ("blocks.12.hook_q", "blocks.1.attn.hook_q"),
        ("blocks.*.hook_qs", "blocks.*.attn.hook_q"),
        ("blocks.[0-3].attn.hook_scores", "blocks.*.attn.hook_attn_scores"),
        ("logit", "logits"),
    ],
)
def test_unknown_names_have_nearest_ones(pattern: str, nearest: str) -> None:
    with pytest.raises(UnknownName) as failed:
        matching(CONFIG, [pattern])
    assert nearest in failed.value.nearest


def test_what_is_taken_has_the_shape_that_was_announced() -> None:
    selection = Selection.of(CONFIG, ["*"], positions=[-1, 0], heads=[3, 1], dtype="float16")
    n = 7
    rows = selection.rows(0, n)
    assert rows.tolist() == [6, 0]
    for activation in selection.activations.values():
        shape = activation.shape(CONFIG, n)
        values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape) / 100
        kept = selection.taken(activation, values, rows)
        assert kept.shape == selection.shape(CONFIG, activation, n)
        assert kept.dtype == np.float16
        if activation.axes == ("head", "query", "key"):
            np.testing.assert_allclose(kept, values[[3, 1]][:, [6, 0]], rtol=1e-3)
        if activation.axes == ("position", "head", "d_head"):
            np.testing.assert_allclose(kept, values[[6, 0]][:, [3, 1]], rtol=1e-3)


def test_what_is_kept_is_a_copy() -> None:
    selection = Selection.of(CONFIG, "logits")
    values = np.zeros((3, 50), np.float32)
    kept = selection.taken(selection.activations["logits"], values, selection.rows(0, 3))
    assert not np.shares_memory(kept, values)


def test_float16_refuses_what_it_does_not_hold() -> None:
    selection = Selection.of(
        CONFIG, ["hook_embed", "blocks.0.attn.hook_attn_scores"], dtype="float16"
    )
    embed, scores = selection.activations.values()
    masked = np.full((4, 2, 2), -np.inf, np.float32)
    assert np.isneginf(selection.taken(scores, masked, None)).all()
    with pytest.raises(TooLarge, match="hook_embed has 70000"):
        selection.taken(embed, np.full((2, 32), 70000, np.float32), None)


@pytest.mark.parametrize(
    "options",
    [
        {"positions": []},
        {"positions": [0, 0]},
        {"positions": [True]},
        {"positions": 3},
        {"positions": "0,1"},
        {"positions": [1.0]},
        {"heads": [4]},
        {"heads": [-1]},
        {"heads": []},
        {"patterns": ["logits"], "heads": [0]},
        {"dtype": "float64"},
        {"patterns": [3]},
        {"patterns": []},
        {"patterns": None},
        {"patterns": 3},
    ],
    ids=str,
)
def test_bad_options(options: dict[str, Any]) -> None:
    given = {"patterns": ["*"], **options}
    with pytest.raises(InvalidValue):
        Selection.of(CONFIG, given.pop("patterns"), **given)


@pytest.mark.parametrize("position", [3, -4])
def test_positions_outside_a_text(position: int) -> None:
    selection = Selection.of(CONFIG, "logits", positions=[position])
    assert len(selection.rows(0, 4)) == 1
    with pytest.raises(OutsideText) as failed:
        selection.rows(7, 3)
    assert (failed.value.text, failed.value.n_tokens) == (7, 3)
