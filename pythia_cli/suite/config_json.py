"""Parses config.json of Hugging Face transformers, in old and new spelling, to a ModelConfig."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pythia_cli.errors import UnsupportedModel
from pythia_cli.suite.config import ModelConfig


def parse_config_json(
    content: Mapping[str, Any], source: str | Path = "config.json"
) -> ModelConfig:
    """Parse a config.json; source names it in errors.

    Raises UnsupportedModel, with the field, if this engine cannot run the model.
    """
    return _ConfigReader(content, source).read()


class _ConfigReader:
    """Reads one config.json; errors name its source."""

    def __init__(self, config: Mapping[str, Any], source: str | Path) -> None:
        self.config = config
        self.source = source

    def read(self) -> ModelConfig:
        self._require("model_type", "gpt_neox", "'gpt_neox'")
        self._require("hidden_act", "gelu", "'gelu' (exact)", default="gelu")
        self._require("tie_word_embeddings", False, "false", default=False)
        self._require("attention_bias", True, "true", default=True)
        rotary_pct, rotary_base = self._rotary()
        eps = self.config.get("layer_norm_eps", 1e-5)
        if not isinstance(eps, float) or not 0 < eps < 1:
            self._refuse("layer_norm_eps", "a number between 0 and 1")
        parallel = self.config.get("use_parallel_residual", True)
        if not isinstance(parallel, bool):
            self._refuse("use_parallel_residual", "true or false")
        read = ModelConfig(
            n_layers=self._count("num_hidden_layers"),
            n_heads=self._count("num_attention_heads"),
            d_model=self._count("hidden_size"),
            d_mlp=self._count("intermediate_size"),
            d_vocab=self._count("vocab_size"),
            n_ctx=self._count("max_position_embeddings"),
            rotary_pct=rotary_pct,
            rotary_base=rotary_base,
            layer_norm_eps=eps,
            use_parallel_residual=parallel,
        )
        if read.d_model % read.n_heads:
            self._refuse("num_attention_heads", f"a divisor of hidden_size {read.d_model}")
        if 2 * -(-read.n_rotary // 2) > read.d_head:
            self._refuse(
                "rotary_pct", f"no more than the head's {read.d_head} dimensions, in pairs"
            )
        return read

    def _rotary(self) -> tuple[float, float]:
        """rotary_pct and rotary_base, from any place where a version of transformers writes them.

        Precedence as in transformers 5: rope_parameters, then the old names, then the new ones.
        """
        if self.config.get("rope_scaling") not in (None, {}):
            scaling = self.config["rope_scaling"]
            kind = scaling.get("rope_type", scaling.get("type")) if isinstance(scaling, dict) else 0
            if kind != "default":
                self._refuse("rope_scaling", "null (no scaling)")
        parameters = self.config.get("rope_parameters") or {}
        if not isinstance(parameters, dict):
            self._refuse("rope_parameters", "an object")
        kind = parameters.get("rope_type", parameters.get("type", "default"))
        if kind != "default":
            raise UnsupportedModel(
                self.source, "rope_parameters.rope_type", kind, "'default' (no scaling)"
            )
        places = (parameters, self.config)
        pct = self._first(places, ("rotary_pct", "partial_rotary_factor"), 0.25)
        base = self._first(places, ("rotary_emb_base", "rope_theta"), 10000.0)
        if not 0 <= pct <= 1:
            self._refuse("rotary_pct", "a fraction from 0 to 1")
        if not 0 < base < 1e30:
            self._refuse("rotary_emb_base", "a positive number below 1e30")
        return pct, base

    def _first(
        self, places: tuple[Mapping[str, Any], ...], names: tuple[str, ...], default: float
    ) -> float:
        for place in places:
            for name in names:
                value = place.get(name)
                if value is None:
                    continue
                if isinstance(value, bool) or not isinstance(value, int | float):
                    raise UnsupportedModel(self.source, name, value, "a number")
                return float(value)
        return default

    def _count(self, field: str) -> int:
        value = self.config.get(field)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            self._refuse(field, "a positive whole number")
        assert isinstance(value, int)
        return value

    def _require(self, field: str, value: object, expected: str, default: object = None) -> None:
        if self.config.get(field, default) != value:
            self._refuse(field, expected)

    def _refuse(self, field: str, expected: str) -> None:
        raise UnsupportedModel(self.source, field, self.config.get(field), expected)
