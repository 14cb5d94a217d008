"""Small checkpoint folders to take apart."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from pythia_cli.suite.config import ModelConfig
from pythia_cli.weights.float_checkpoint import expected_tensors
from tests.conftest import DEMO

Tensors = dict[str, torch.Tensor]

EMBED_IN = "gpt_neox.embed_in.weight"
DENSE = "gpt_neox.layers.1.attention.dense.weight"
BIAS = "gpt_neox.layers.0.mlp.dense_h_to_4h.bias"


def random_tensors(config: ModelConfig, dtype: torch.dtype = torch.float16) -> Tensors:
    """A float model of this shape, under its published names."""
    generator = torch.Generator().manual_seed(7)
    return {
        name: torch.randn(shape, generator=generator).to(dtype)
        for name, shape in expected_tensors(config).items()
    }


def hf_config(config: ModelConfig) -> dict[str, Any]:
    """config.json of this shape, in the old spelling."""
    return {
        "model_type": "gpt_neox",
        "hidden_act": "gelu",
        "hidden_size": config.d_model,
        "intermediate_size": config.d_mlp,
        "layer_norm_eps": config.layer_norm_eps,
        "max_position_embeddings": config.n_ctx,
        "num_attention_heads": config.n_heads,
        "num_hidden_layers": config.n_layers,
        "rotary_emb_base": config.rotary_base,
        "rotary_pct": config.rotary_pct,
        "tie_word_embeddings": False,
        "use_parallel_residual": config.use_parallel_residual,
        "vocab_size": config.d_vocab,
    }


TINY = ModelConfig(n_layers=2, n_heads=2, d_model=16, d_mlp=40, d_vocab=33, n_ctx=24)


class Folder:
    """A checkpoint folder with a config, the demo's tokenizer, and weights put in by the test."""

    def __init__(self, path: Path, config: ModelConfig = TINY) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.tensors = random_tensors(config)
        self.write("config.json", hf_config(config))
        shutil.copy(DEMO / "step3000" / "tokenizer.json", path)

    def write(self, name: str, content: Any) -> Path:
        """A JSON file."""
        path = self.path / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    def save(self, name: str = "model.safetensors", tensors: Tensors | None = None) -> Path:
        """A weights file; the folder's own tensors where none are given."""
        path = self.path / name
        content = self.tensors if tensors is None else tensors
        if path.suffix == ".safetensors":
            save_file({key: value.contiguous() for key, value in content.items()}, path)
        else:
            torch.save(content, path)
        return path

    def save_sharded(self, suffix: str = ".safetensors") -> list[Path]:
        """Two shards and their index."""
        stem = "model" if suffix == ".safetensors" else "pytorch_model"
        names = [f"{stem}-0000{i}-of-00002{suffix}" for i in (1, 2)]
        shards: list[Tensors] = [{}, {}]
        for i, (name, tensor) in enumerate(self.tensors.items()):
            shards[i % 2][name] = tensor
        weight_map = {
            tensor: name for name, shard in zip(names, shards, strict=True) for tensor in shard
        }
        self.write(f"{stem}{suffix}.index.json", {"metadata": {}, "weight_map": weight_map})
        return [self.save(name, shard) for name, shard in zip(names, shards, strict=True)]
