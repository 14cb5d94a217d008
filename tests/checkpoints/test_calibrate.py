"""The calibration of an int8 file: the mean inputs of its linears, and what follows from them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from pythia_cli.checkpoints.calibrate import CALIBRATED, calibrate, calibration_tokens
from pythia_cli.checkpoints.calibration_text import TEXT
from pythia_cli.checkpoints.quantize import write_int8
from pythia_cli.engine.reference import dequantized
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File
from pythia_cli.weights.source import Source
from tests.engine.int8_reference import Int8Reference
from tests.float_folders import Folder

LINEARS = [module for module in CALIBRATED if module.in_layers]
SOURCE = Source(None, None, None, {"model.safetensors": "0" * 64})


class Listening(Int8Reference):
    """Remembers the inputs of its linears."""

    def _linear(self, x: torch.Tensor, name: str) -> torch.Tensor:
        self.inputs = {**getattr(self, "inputs", {}), name: x.double().mean(0).numpy()}
        return super()._linear(x, name)


@pytest.mark.parametrize("name", ["head12-odd-rotary", "head36-sequential"])
def test_means_are_those_of_the_plain_model(
    golden_folder: Callable[[str], Path], quantized: Callable[[Path], Int8File], name: str
) -> None:
    """On one chunk of tokens and on several."""
    file = quantized(golden_folder(name))
    for n in (40, 400):
        token_ids = np.random.default_rng(n).integers(0, file.config.d_vocab, n)
        token_ids = token_ids[: file.config.n_ctx]
        twin = Listening.from_int8(file)
        hidden = twin.hidden(token_ids).double().mean(0).numpy()
        means, unembedded = calibrate(file, token_ids, 2)
        np.testing.assert_allclose(unembedded.mean(axis=0), means["embed_out"][0], atol=1e-5)
        assert list(means) == [module.name for module in CALIBRATED]
        np.testing.assert_allclose(means["embed_out"][0], hidden, atol=1e-2)
        for linear in LINEARS:
            for layer in range(file.config.n_layers):
                expected = twin.inputs[f"layers.{layer}.{linear.name.removeprefix('layers.')}"]
                np.testing.assert_allclose(means[linear.name][layer], expected, atol=2e-2)


def test_threads_change_no_bit(demo_int8: Int8File) -> None:
    token_ids = np.arange(300)
    one, three = (calibrate(demo_int8, token_ids, n) for n in (1, 3))
    for name, mean in one.means.items():
        assert mean.tobytes() == three.means[name].tobytes()
    assert one.unembedded.tobytes() == three.unembedded.tobytes()


def test_what_the_file_says(demo_int8: Int8File, demo_folder: Callable[[int], Path]) -> None:
    """With the published biases; and the centre is the mean that the corrections assume."""
    assert demo_int8.calibration is not None
    assert demo_int8.calibration["text_sha256"] == hashlib.sha256(TEXT.encode()).hexdigest()
    assert 400 < demo_int8.calibration["n_tokens"] <= 512
    checkpoint = FloatCheckpoint(demo_folder(3000))
    for linear in LINEARS:
        parts = {p: demo_int8.tensors[f"{linear.name}.{p}"] for p in linear_parts()}
        for layer in range(demo_int8.config.n_layers):
            name = linear.published.format(layer=layer)
            w = checkpoint.tensor(f"{name}.weight").astype(np.float64)
            b = checkpoint.tensor(f"{name}.bias").astype(np.float64)
            centre = parts["centre"][layer].astype(np.float64)
            off = (w - dequantized(demo_int8, f"{name}.weight")) @ centre
            np.testing.assert_allclose(parts["bias"][layer], b + off, atol=1e-5)
            np.testing.assert_allclose(parts["centred_bias"][layer], b + w @ centre, atol=1e-5)
        sums = demo_int8.tensors[f"{linear.name}.weight"].sum(axis=2, dtype=np.int32)
        np.testing.assert_array_equal(parts["row_sums"], sums)


def linear_parts() -> list[str]:
    return ["bias", "centre", "centred_bias", "row_sums"]


def test_tokens_that_a_model_has_and_has_room_for(small: FloatCheckpoint) -> None:
    tokenizer = PythiaTokenizer(small.tokenizer_path)
    token_ids = calibration_tokens(tokenizer, small.config)
    assert 0 < len(token_ids) <= min(512, small.config.n_ctx)
    assert token_ids.max() < small.config.d_vocab


def test_a_model_that_overflows_keeps_its_biases(tmp_path: Path) -> None:
    """In the layers concerned: no value of the file is infinite."""
    folder = Folder(tmp_path / "checkpoint")
    name = "gpt_neox.layers.1.mlp.dense_4h_to_h.weight"
    folder.tensors[name] = torch.full(folder.tensors[name].shape, 3e38)
    folder.save()
    checkpoint = FloatCheckpoint(folder.path)
    write_int8(checkpoint, tmp_path / "int8", SOURCE)
    file = Int8File(tmp_path / "int8")
    down = "layers.mlp.dense_4h_to_h"
    assert not file.tensors[f"{down}.centre"][1].any()
    bias = checkpoint.tensor(name.replace("weight", "bias"))
    for part in ("bias", "centred_bias"):
        np.testing.assert_array_equal(file.tensors[f"{down}.{part}"][1], bias, strict=True)
    assert file.tensors[f"{down}.centre"][0].any()
