"""A model with large constant keys, as published Pythias are reported to have.

TransformerLens issue 104: biases of norm 300.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from pythia_cli.checkpoints.quantize import write_int8
from pythia_cli.engine import forward_pass
from pythia_cli.engine.reference import Reference
from pythia_cli.engine.transformer import Transformer
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File
from pythia_cli.weights.source import Source

N_TOKENS = 300


@pytest.fixture(scope="module")
def biased(demo_folder: Callable[[int], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo with random biases of norm 300 for keys, and 30 for queries."""
    folder = tmp_path_factory.mktemp("biased") / "model"
    shutil.copytree(demo_folder(3000), folder)
    tensors = load_file(folder / "model.safetensors")
    random = torch.Generator().manual_seed(1)
    for name, bias in tensors.items():
        if name.endswith("query_key_value.bias"):
            heads = bias.float().view(4, 3, 32)
            for part, norm in ((0, 30.0), (1, 300.0)):
                direction = torch.randn(4, 32, generator=random)
                heads[:, part] += norm * direction / direction.norm(dim=1, keepdim=True)
            tensors[name] = heads.view(-1)
    save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.fixture
def eval_ids(demo_tokenizer: PythiaTokenizer, eval_text: str) -> np.ndarray:
    return demo_tokenizer.encode(eval_text[:5000])[:N_TOKENS]


def off(biased: Path, path: Path, token_ids: np.ndarray) -> np.ndarray:
    """By how much the int8 engine moves the nll of each token of the dequantized model."""
    checkpoint = FloatCheckpoint(biased)
    write_int8(checkpoint, path, Source(None, None, None, checkpoint.sha256()))
    file = Int8File(path)
    model = Transformer(file, 2)
    inputs, targets = token_ids[:-1], token_ids[1:]
    got = model.score(inputs, targets, model.new_cache()).nll
    model.close()
    return np.abs(got - Reference.from_int8(file).score(inputs, targets).nll)


def test_constant_keys_cost_little(
    biased: Path, tmp_path: Path, eval_ids: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And much, if they are not taken off before keys are rounded."""
    found = off(biased, tmp_path / "int8", eval_ids)
    assert found.mean() <= 2e-2
    assert found.max() <= 0.3
    none = np.zeros((6, 3 * 128), np.float32)
    monkeypatch.setattr(forward_pass, "key_centre", lambda weights: none)
    assert off(biased, tmp_path / "other", eval_ids).mean() > 10 * found.mean()
