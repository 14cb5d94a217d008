"""Channels of a layer norm that stand out: which do, and what balancing them is worth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pythia_cli.checkpoints import quantize
from pythia_cli.checkpoints.balance import NORM_BEFORE, channel_factors
from pythia_cli.checkpoints.quantize import write_int8
from pythia_cli.engine.reference import Reference, dequantized
from pythia_cli.engine.transformer import Transformer
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File
from pythia_cli.weights.source import Source
from tests.float_folders import Folder

SOURCE = Source(None, None, None, {"model.safetensors": "0" * 64})
EVEN = np.ones(20)
ZEROS = np.zeros(20, np.float32)
PLANTED, TIMES = [3, 40, 77], 16.0


def with_(values: np.ndarray, at: int, value: float) -> np.ndarray:
    changed = values.copy()
    changed[at] = value
    return changed


def factors(
    variances: np.ndarray = EVEN, squares: np.ndarray = EVEN, means: np.ndarray = ZEROS
) -> np.ndarray | None:
    return channel_factors(means, variances, squares)


def test_channels_that_are_alike_are_left_alone() -> None:
    rng = np.random.default_rng(0)
    assert factors() is None
    assert factors(2.0 ** rng.uniform(-3.9, 3.9, 20), EVEN) is None
    assert factors(1e30 * EVEN, 1e-30 * EVEN) is None


@pytest.mark.parametrize(
    ("variance", "square", "factor"),
    [
        (64.0**2, 1.0, 4.0),  # 16 times what is allowed; half of that each
        (16.0**2, 1 / 16.0**2, 8.0),
        (1.0, 64.0**2, 0.25),
        (2.0**-12, 1.0, 0.25),
        (1e300, 1.0, 2.0**16),
    ],
)
def test_one_that_stands_out_is_brought_halfway(
    variance: float, square: float, factor: float
) -> None:
    found = factors(with_(EVEN, 7, variance), with_(EVEN, 7, square))
    assert found is not None
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, with_(EVEN, 7, factor))


def test_a_constant_channel_is_not_made_larger() -> None:
    """16 bits hold the constant as well. One without inputs, or without readers, is left alone."""
    large = with_(ZEROS, 7, 3.0).astype(np.float32)
    assert factors(with_(EVEN, 7, 1e-12), means=large) is None
    assert factors(with_(EVEN, 7, 1e-12)) is not None
    assert factors(with_(EVEN, 7, 0.0)) is None
    assert factors(squares=with_(EVEN, 7, 0.0)) is None
    assert factors(with_(EVEN, 7, -1e-20)) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_balance_nothing(bad: float) -> None:
    assert factors(with_(with_(EVEN, 7, 1e6), 2, bad)) is None
    assert factors(squares=with_(with_(EVEN, 7, 1e6), 2, bad)) is None
    assert factors(0 * EVEN) is None


@pytest.fixture(scope="module")
def planted(
    demo_folder: Callable[[int], Path], tmp_path_factory: pytest.TempPathFactory
) -> FloatCheckpoint:
    """The demo with some outputs of each norm 16 times as large, and their weights a 16th."""
    demo = FloatCheckpoint(demo_folder(3000))
    folder = Folder(tmp_path_factory.mktemp("planted") / "demo", demo.config)
    names = [f"{p}{n}" for p, n in published_norms(demo.config.n_layers)]
    folder.tensors = {name: torch.from_numpy(demo.tensor(name).copy()) for name in folder.tensors}
    for norm, linear in zip(names, published_linears(demo.config.n_layers), strict=True):
        for part in ("weight", "bias"):
            folder.tensors[f"{norm}.{part}"][PLANTED] *= TIMES
        folder.tensors[f"{linear}.weight"][:, PLANTED] /= TIMES
    folder.save()
    return FloatCheckpoint(folder.path)


def published_norms(n_layers: int) -> list[tuple[str, str]]:
    layers = [f"gpt_neox.layers.{i}." for i in range(n_layers)]
    inside = [(p, n) for p in layers for n in ("input_layernorm", "post_attention_layernorm")]
    return [*inside, ("gpt_neox.", "final_layer_norm")]


def published_linears(n_layers: int) -> list[str]:
    read_by = ("attention.query_key_value", "mlp.dense_h_to_4h")
    layers = [f"gpt_neox.layers.{i}.{linear}" for i in range(n_layers) for linear in read_by]
    return [*layers, "embed_out"]


def kl(file: Int8File, reference: Reference, ids: np.ndarray, precision: str) -> float:
    model = Transformer(file, 1, precision)
    try:
        rows = [logits.copy() for _, logits in model.chunks(ids, model.new_cache())]
    finally:
        model.close()
    ours = torch.log_softmax(torch.from_numpy(np.concatenate(rows)).double(), 1)
    theirs = torch.log_softmax(torch.from_numpy(reference.logits(ids)).double(), 1)
    return float((theirs.exp() * (theirs - ours)).sum(1).mean())


def test_a_model_with_such_channels_is_as_exact_as_one_without(
    planted: FloatCheckpoint,
    demo_tokenizer: PythiaTokenizer,
    eval_text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """In both precisions. Without balancing, the error is several times as large."""
    reference = Reference.from_checkpoint(planted)
    ids = demo_tokenizer.encode(eval_text[:3000])[:512]
    write_int8(planted, tmp_path / "balanced", SOURCE, n_threads=2)
    balanced = Int8File(tmp_path / "balanced")
    for name, norm in NORM_BEFORE.items():
        published = norm.replace("layers.", "gpt_neox.layers.0.").replace("final", "gpt_neox.final")
        ratio = planted.tensor(f"{published}.weight") / dequantized(balanced, f"{published}.weight")
        at = np.flatnonzero(ratio != 1)
        assert set(PLANTED) <= set(at), name
        assert set(np.log2(ratio[at]) % 1) == {0.0}
    monkeypatch.setattr(quantize, "NORM_BEFORE", {})
    monkeypatch.setattr("pythia_cli.checkpoints.last_matrix.channel_factors", lambda *_: None)
    write_int8(planted, tmp_path / "plain", SOURCE, n_threads=2)
    plain = Int8File(tmp_path / "plain")
    for precision, most in (("exact", 1.4e-4), ("fast", 2.7e-4)):
        with_them, without = (kl(f, reference, ids, precision) for f in (balanced, plain))
        assert with_them < most
        assert without > 1.8 * with_them
