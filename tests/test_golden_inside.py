"""The authorities' arrays are made of each other as golden/README.md says."""

import json
import math

import numpy as np
import pytest

from tests.golden_inside import (
    TUNED_LENS,
    golden_activations,
    golden_head_scores,
    golden_head_tokens,
    golden_lens,
    golden_streams,
    golden_weights,
    golden_windows,
)
from tests.golden_measures import GOLDEN

INDEX = json.loads((GOLDEN / "models" / "index.json").read_text())
PATTERNS = ["previous_token_head", "duplicate_token_head", "induction_head"]


def close(ours: np.ndarray, theirs: np.ndarray, atol: float = 1e-5) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=atol)


@pytest.mark.parametrize("entry", INDEX, ids=lambda entry: entry["name"])
def test_each_model_has_its_streams_and_its_attention(entry: dict) -> None:
    stream = golden_streams()[entry["name"]]
    layers, n, d_model = entry["n_layers"], entry["n_tokens"], entry["d_model"]
    assert stream.hidden.shape == (layers + 1, n, d_model)
    assert stream.last_layer.shape == (n, d_model)
    assert stream.attentions.shape == (layers, entry["n_heads"], n, n)
    assert not np.triu(stream.attentions, 1).any()
    close(stream.attentions.sum(-1), np.ones((layers, entry["n_heads"], n)))
    assert np.abs(stream.hidden[-1] - stream.last_layer).max() > 0.1


def test_there_is_nothing_but_these_models() -> None:
    assert list(golden_streams()) == [entry["name"] for entry in INDEX]


@pytest.mark.parametrize("layer", [0, 5])
def test_activations_follow_from_each_other(layer: int) -> None:
    stored = golden_activations()
    block = {
        name.removeprefix(f"blocks.{layer}."): values
        for name, values in stored.items()
        if name.startswith(f"blocks.{layer}.")
    }
    resid = block["hook_resid_pre"]
    close(resid + block["hook_attn_out"] + block["hook_mlp_out"], block["hook_resid_post"])
    for norm in ("ln1", "ln2"):
        scaled = block[f"{norm}.hook_scale"] * block[f"{norm}.hook_normalized"]
        close(scaled, resid - resid.mean(-1, keepdims=True))

    scores, pattern = block["attn.hook_attn_scores"], block["attn.hook_pattern"]
    below = np.tril(np.ones(scores.shape[1:], bool))
    assert np.isneginf(scores[:, ~below]).all()
    products = np.einsum("qhd,khd->hqk", block["attn.hook_rot_q"], block["attn.hook_rot_k"])
    close(products[:, below] / math.sqrt(32), scores[:, below])
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    close(weights / weights.sum(-1, keepdims=True), pattern)
    close(np.einsum("hqk,khd->qhd", pattern, block["attn.hook_v"]), block["attn.hook_z"])
    for kind in ("q", "k"):
        close(block[f"attn.hook_{kind}"][..., 8:], block[f"attn.hook_rot_{kind}"][..., 8:])

    pre = block["mlp.hook_pre"]
    erf = np.vectorize(math.erf)(pre / math.sqrt(2))
    close(pre * (1 + erf) / 2, block["mlp.hook_post"])
    bias = block["hook_attn_out"] - block["attn.hook_result"].sum(1)
    close(bias, np.broadcast_to(bias[0], bias.shape))
    close(block["hook_mlp_in"], resid)


def test_activations_of_no_layer_join_the_layers() -> None:
    stored = golden_activations()
    assert np.array_equal(stored["hook_embed"], stored["blocks.0.hook_resid_pre"])
    last = stored["blocks.5.hook_resid_post"]
    close(
        stored["ln_final.hook_scale"] * stored["ln_final.hook_normalized"],
        last - last.mean(-1, keepdims=True),
    )


def test_heads_were_scored_on_repeated_tokens() -> None:
    ids = golden_head_tokens()
    assert ids.shape == (20, 50)
    assert np.array_equal(ids[:, :25], ids[:, 25:])
    assert ids.min() >= 2
    assert ids.max() <= 4054


@pytest.mark.parametrize("step", [512, 3000])
@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("bos", [False, True])
def test_scores_of_heads_are_shares_or_have_three_decimals(
    step: int, pattern: str, bos: bool
) -> None:
    for excluded in ("none", "bos", "current_token", "both"):
        share = golden_head_scores(step, pattern, bos=bos, excluded=excluded)
        assert share.shape == (20, 6, 4)
        assert share.min() >= 0
        assert share.max() <= 1
        rounded = golden_head_scores(step, pattern, bos=bos, measure="abs", excluded=excluded)
        close(rounded, rounded.astype(np.float64).round(3), atol=1e-6)


def test_the_lens_after_all_layers_is_the_model() -> None:
    lens, stored = golden_lens(), golden_activations()
    assert np.array_equal(lens["token_ids"], stored["token_ids"])
    logits = stored["unembed.hook_out"].astype(np.float64)
    logprobs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    targets = lens["token_ids"][1:]
    close(-logprobs[np.arange(len(targets)), targets], lens["logit_nll"][-1], atol=1e-4)
    assert not lens["logit_kl"][-1].any()
    best = np.argsort(-logits, axis=-1)[:, :5]
    clear = lens["logit_gap"][-1] > 1e-4
    assert np.array_equal(best[clear], lens["logit_top"][-1][clear])


@pytest.mark.parametrize(("lens", "n_layers"), [("logit", 7), ("tuned", 6)])
def test_figures_of_a_lens_have_their_shapes(lens: str, n_layers: int) -> None:
    figures = {
        name.removeprefix(f"{lens}_"): values
        for name, values in golden_lens().items()
        if name.startswith(lens)
    }
    for name in ("nll", "rank", "near"):
        assert figures[name].shape == (n_layers, 34)
    for name in ("kl", "gap"):
        assert figures[name].shape == (n_layers, 35)
    for name in ("top", "top_logprob"):
        assert figures[name].shape == (n_layers, 35, 5)
    assert figures["kl"].min() >= 0
    assert (np.diff(figures["top_logprob"], axis=-1) <= 0).all()


def test_a_tuned_lens_is_kept_as_its_package_saves_it() -> None:
    config = json.loads((TUNED_LENS / "config.json").read_text())
    assert config["lens_type"] == "linear_tuned_lens"
    assert (config["d_model"], config["num_hidden_layers"]) == (128, 6)
    assert sorted(path.name for path in TUNED_LENS.iterdir()) == ["config.json", "params.pt"]


def test_windows_are_less_surprising_after_training() -> None:
    windows = golden_windows()
    assert windows["token_ids"].shape == (3, 512)
    assert windows["nll"].shape == (2, 3, 512)
    before, after = windows["nll"].mean((1, 2))
    assert after < before - 1


def test_singular_values_have_the_frobenius_norm() -> None:
    weights = golden_weights()
    assert weights["singular_values"].shape == (2, 26, 128)
    assert (np.diff(weights["singular_values"], axis=-1) <= 0).all()
    norms = np.sqrt((weights["singular_values"] ** 2).sum(-1))
    np.testing.assert_allclose(norms, weights["frobenius"], rtol=1e-12)
    first, last = weights["frobenius"]
    assert (np.abs(first - last) <= weights["distance"]).all()
    assert (weights["distance"] <= first + last).all()
