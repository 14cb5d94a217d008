"""Parses config.json of Hugging Face transformers, in old and new spelling, to a ModelConfig."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pythia_cli.errors import InvalidValue, UnsupportedModel
from pythia_cli.suite.config import ModelConfig

_NAMES = {
    "n_layers": "num_hidden_layers",
    "n_heads": "num_attention_heads",
    "d_model": "hidden_size",
    "d_mlp": "intermediate_size",
    "d_vocab": "vocab_size",
    "n_ctx": "max_position_embeddings",
    "layer_norm_eps": "layer_norm_eps",
    "use_parallel_residual": "use_parallel_residual",
}
"""The name of each field of ModelConfig, but for the rotary ones."""

_ROTARY_NAMES = {
    "rotary_pct": ("rotary_pct", "partial_rotary_factor"),
    "rotary_base": ("rotary_emb_base", "rope_theta"),
}
PUBLISHED_NAMES = _NAMES | {field: names[0] for field, names in _ROTARY_NAMES.items()}
"""What config.json calls each field of ModelConfig."""

_DEFAULTS = {
    "rotary_pct": 0.25,
    "rotary_base": 10000.0,
    "layer_norm_eps": 1e-5,
    "use_parallel_residual": True,
}


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
        found = {
            field: (name, self.config.get(name, _DEFAULTS.get(field)))
            for field, name in _NAMES.items()
        }
        places = (self._rope_parameters(), self.config)
        for field, names in _ROTARY_NAMES.items():
            found[field] = self._first(places, names, _DEFAULTS[field])
        try:
            return ModelConfig(**{field: value for field, (_, value) in found.items()})
        except InvalidValue as error:
            name, _ = found[error.name]
            raise UnsupportedModel(self.source, name, error.value, error.expected) from None

    def _rope_parameters(self) -> Mapping[str, Any]:
        """Where newer versions of transformers keep the rotary settings; refuses scaled ones."""
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
        return parameters

    def _first(
        self, places: tuple[Mapping[str, Any], ...], names: tuple[str, ...], default: float
    ) -> tuple[str, Any]:
        """The first of the names that is in a place, with its value; else the default.

        Precedence as in transformers 5: rope_parameters, then the old names, then the new ones.
        """
        for place in places:
            for name in names:
                if place.get(name) is not None:
                    return name, place[name]
        return names[0], default

    def _require(self, field: str, value: object, expected: str, default: object = None) -> None:
        if self.config.get(field, default) != value:
            self._refuse(field, expected)

    def _refuse(self, field: str, expected: str) -> None:
        raise UnsupportedModel(self.source, field, self.config.get(field), expected)
