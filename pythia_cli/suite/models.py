"""The published models: their names, shapes and repositories."""

from __future__ import annotations

import difflib
from pathlib import Path

from pythia_cli.errors import UnknownName, UnsupportedModel
from pythia_cli.suite.config import ModelConfig

OWNER = "EleutherAI"
"""Owner of the repositories on the Hub."""

DEMO = "demo"
"""The built-in suite: a small GPT-NeoX model, not a Pythia."""

LOCAL_PREFIX = "local-"
"""Prefix of the names under which local folders are installed."""


def _sizes() -> dict[str, ModelConfig]:
    def model(n_layers: int, d_model: int, n_heads: int, d_vocab: int = 50304) -> ModelConfig:
        return ModelConfig(n_layers, n_heads, d_model, 4 * d_model, d_vocab, n_ctx=2048)

    return {
        "14m": model(6, 128, 4),
        "31m": model(6, 256, 8),
        "70m": model(6, 512, 8),
        "160m": model(12, 768, 12),
        "410m": model(24, 1024, 16),
        "1b": model(16, 2048, 8),
        "1.4b": model(24, 2048, 16),
        "2.8b": model(32, 2560, 32),
        "6.9b": model(32, 4096, 32, d_vocab=50432),
        "12b": model(36, 5120, 40, d_vocab=50688),
    }


SIZES = _sizes()
"""Published shapes by size (Biderman et al. 2023, table 1; d_vocab from the config.json files)."""

_DEDUPED = ("70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b")
_SEEDED = ("14m", "31m", "70m", "160m", "410m")

MODELS: dict[str, ModelConfig] = {
    **{f"pythia-{size}": SIZES[size] for size in SIZES},
    **{f"pythia-{size}-deduped": SIZES[size] for size in _DEDUPED},
    **{f"pythia-{size}-seed{seed}": SIZES[size] for size in _SEEDED for seed in range(1, 10)},
}


def repository(model: str) -> str | None:
    """The model's repository on the Hugging Face Hub; None for the demo and for local names."""
    return f"{OWNER}/{model}" if model in MODELS else None


def check_published(model: str) -> None:
    """Raises UnknownName, with the nearest names, unless this is a Pythia model or the demo."""
    if model != DEMO and model not in MODELS:
        raise UnknownName("model", model, nearest_models(model, []))


def check_shape(model: str, config: ModelConfig, source: str | Path) -> None:
    """Raises UnsupportedModel if a model with a Pythia's name does not have its shape."""
    published = MODELS.get(model)
    if published is None:
        return
    for field, expected in published.to_dict().items():
        if (found := getattr(config, field)) != expected:
            raise UnsupportedModel(source, field, found, f"{expected!r}, as {model} has it")


def nearest_models(name: str, known: list[str]) -> list[str]:
    """The known names closest to a mistyped one, at most two."""
    return difflib.get_close_matches(
        name, list(dict.fromkeys([DEMO, *known, *MODELS])), n=2, cutoff=0.6
    )
