"""The published models: their names, shapes and repositories."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
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

_STANDARD = ("70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b")


@dataclass(frozen=True)
class Family:
    """Models whose names and shapes follow one pattern.

    pattern: the name, with {size} and {seed}. source: where its names and steps are stated; nobody
    has checked them against the Hub from here.
    """

    pattern: str
    sizes: tuple[str, ...]
    source: str
    n_seeds: int = 1
    has_early_steps: bool = True
    """Whether steps 0, 1, 2, 4 .. 512 are published, besides every 1000th."""

    def models(self) -> Iterator[tuple[str, str]]:
        """(name, size) of each model."""
        for size in self.sizes:
            for seed in range(1, self.n_seeds + 1):
                yield self.pattern.format(size=size, seed=seed), size


FAMILIES = (
    Family("pythia-{size}", tuple(SIZES), "EleutherAI's model cards"),
    Family("pythia-{size}-deduped", ("14m", "31m"), "EleutherAI's collection PolyPythias"),
    Family("pythia-{size}-deduped", _STANDARD, "EleutherAI's model cards"),
    Family(
        "pythia-{size}-seed{seed}",
        ("14m", "31m", "70m", "160m", "410m"),
        "EleutherAI's collection PolyPythias",
        n_seeds=9,
    ),
    Family("pythia-{size}-data-seed{seed}", ("160m",), "issue 203 of the repository", n_seeds=3),
    Family("pythia-{size}-weight-seed{seed}", ("160m",), "issue 203 of the repository", n_seeds=3),
    Family(
        "pythia-{size}-warmup01",
        ("14m", "70m"),
        "code of papers that loads them by step; they have no model card",
    ),
    Family("pythia-{size}-v0", _STANDARD, "the repository's README", has_early_steps=False),
    Family("pythia-{size}-deduped-v0", _STANDARD, "the repository's README", has_early_steps=False),
)
"""All models, with the source of each name. The repository is github.com/EleutherAI/pythia.

Left out: pythia-160m-alldropout and its like, of which only the branch main is known.
"""

_FAMILY_OF = {name: family for family in FAMILIES for name, _ in family.models()}

MODELS: dict[str, ModelConfig] = {
    name: SIZES[size] for family in FAMILIES for name, size in family.models()
}


def has_early_steps(model: str) -> bool:
    """Whether a published model has steps 0, 1, 2, 4 .. 512."""
    return _FAMILY_OF[model].has_early_steps


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
            from pythia_cli.suite.config_json import PUBLISHED_NAMES  # only for this message

            name = PUBLISHED_NAMES[field]
            raise UnsupportedModel(source, name, found, f"{expected!r}, as {model} has it", model)


def nearest_models(name: str, known: list[str]) -> list[str]:
    """The known names closest to a mistyped one, at most two, whatever its case and owner."""
    names = {other.casefold(): other for other in (DEMO, *known, *MODELS)}
    mistyped = name.rstrip("/").rpartition("/")[2].casefold()
    if mistyped in names:
        return [names[mistyped]]
    return [names[near] for near in difflib.get_close_matches(mistyped, names, n=2, cutoff=0.6)]
