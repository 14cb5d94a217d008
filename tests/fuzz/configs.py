"""config.json: parsed to a ModelConfig, which is valid by itself."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

from pythia_cli.suite.config import ModelConfig
from pythia_cli.weights.float_checkpoint import read_config
from pythia_cli.weights.int8_layout import data_bytes
from tests.fuzz.mutate import NUMBERS, json_bytes, mutated_json

OLD: dict[str, Any] = {
    "architectures": ["GPTNeoXForCausalLM"], "model_type": "gpt_neox", "hidden_act": "gelu",
    "hidden_size": 16, "intermediate_size": 40, "layer_norm_eps": 1e-5,
    "max_position_embeddings": 24, "num_attention_heads": 2, "num_hidden_layers": 1,
    "rotary_emb_base": 10000, "rotary_pct": 0.25, "tie_word_embeddings": False,
    "use_parallel_residual": True, "vocab_size": 320, "torch_dtype": "float16",
}  # fmt: skip
_RENAMED = ("rotary_emb_base", "rotary_pct")
NEW: dict[str, Any] = {
    **{key: value for key, value in OLD.items() if key not in _RENAMED},
    "attention_bias": True,
    "rope_parameters": {
        "rope_type": "default", "partial_rotary_factor": 0.25, "rope_theta": 10000.0,
    },
    "rope_scaling": None,
}  # fmt: skip
_SIZES = [key for key, value in OLD.items() if isinstance(value, int | float)]


class Configs:
    def __init__(self, folder: Path) -> None:
        self.valid = json.dumps(OLD).encode()
        self._folder = folder

    def make(self, random: Random) -> bytes:
        content = dict(random.choice((OLD, NEW)))
        if random.random() < 0.4:
            for key in random.sample(_SIZES, random.randint(1, 3)):
                content[key] = random.choice(NUMBERS)
            return json_bytes(random, content)
        return json_bytes(random, mutated_json(random, content))

    def check(self, data: bytes) -> None:
        (self._folder / "config.json").write_bytes(data)
        check_config(read_config(self._folder))


def check_config(config: ModelConfig) -> None:
    """What everything after the reader relies on."""
    for field in ("n_layers", "n_heads", "d_model", "d_mlp", "d_vocab", "n_ctx"):
        value = getattr(config, field)
        assert type(value) is int, f"{field}: {value!r}"
        assert value > 0, f"{field}: {value!r}"
    assert config.n_heads * config.d_head == config.d_model, "heads do not divide d_model"
    # Dimensions are rotated in pairs, so that an odd number of them takes one more.
    assert 0 <= config.n_rotary <= config.d_head // 2 * 2, f"n_rotary: {config.n_rotary}"
    assert 0 < config.layer_norm_eps <= 1, f"layer_norm_eps: {config.layer_norm_eps}"
    assert 0 < config.rotary_base < float("inf"), f"rotary_base: {config.rotary_base}"
    assert ModelConfig(**json.loads(json.dumps(config.to_dict()))) == config
    assert data_bytes(config) > 0
