"""The Pythia suite: model sizes, the 154 checkpoints of a run, and a model's configuration."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pythia_cli.errors import UnknownName, UnsupportedModel, UsageError

TOKENS_PER_STEP = 2_097_152
STEPS = (0, *(2**i for i in range(10)), *range(1000, 143_001, 1000))
LAST_STEP = STEPS[-1]
DEMO = "demo"
DEMO_STEPS = (0, 64, 512, 3000)


@dataclass(frozen=True)
class ModelConfig:
    """The shape of a GPT-NeoX model, in the field's names."""

    n_layers: int
    n_heads: int
    d_model: int
    d_mlp: int
    d_vocab: int
    n_ctx: int
    rotary_pct: float = 0.25
    rotary_base: float = 10000.0
    layer_norm_eps: float = 1e-5
    use_parallel_residual: bool = True

    @property
    def d_head(self) -> int:
        """Width of a head."""
        return self.d_model // self.n_heads

    @property
    def n_rotary(self) -> int:
        """Leading dimensions of a head that rotary takes: int(d_head * rotary_pct), as published.

        Where it is odd, transformers still divides the exponents by it but rotates one more.
        """
        return int(self.d_head * self.rotary_pct)

    def to_dict(self) -> dict[str, Any]:
        """The fields, for JSON."""
        return asdict(self)

    @classmethod
    def from_hf(cls, config: Mapping[str, Any], source: str | Path = "config.json") -> ModelConfig:
        """Read a config.json of Hugging Face transformers, in its old and its new spelling.

        Raises UnsupportedModel, naming the field, for what this engine does not run.
        """
        return _ConfigReader(config, source).read()


class _ConfigReader:
    """One config.json, with the refusals that need its name."""

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
        """The rotated fraction and the base, wherever some version of transformers wrote them.

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
"""Published shapes by size (Biderman et al. 2023, table 1; vocabularies as in the config.json)."""

_DEDUPED = ("70m", "160m", "410m", "1b", "1.4b", "2.8b", "6.9b", "12b")
_SEEDED = ("14m", "31m", "70m", "160m", "410m")

MODELS: dict[str, ModelConfig] = {
    **{f"pythia-{size}": SIZES[size] for size in SIZES},
    **{f"pythia-{size}-deduped": SIZES[size] for size in _DEDUPED},
    **{f"pythia-{size}-seed{seed}": SIZES[size] for size in _SEEDED for seed in range(1, 10)},
}


def repository(model: str) -> str | None:
    """The model's repository on the Hugging Face Hub; None for the demo and for local names."""
    return f"EleutherAI/{model}" if model in MODELS else None


LOCAL_PREFIX = "local-"
"""Names that begin so belong to folders given as -m FOLDER."""

_STEP = re.compile(r"(?:step)?([0-9]{1,9})")


def check_shape(model: str, config: ModelConfig, source: str | Path) -> None:
    """Raises UnsupportedModel where a Pythia's name is given to a model of another shape."""
    published = MODELS.get(model)
    if published is None:
        return
    for field, expected in published.to_dict().items():
        if (found := getattr(config, field)) != expected:
            raise UnsupportedModel(source, field, found, f"{expected!r}, as {model} has it")


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


@dataclass(frozen=True, order=True)
class Checkpoint:
    """One step of one model's training run. The run's end is also the Hub's revision `main`."""

    model: str
    step: int

    @property
    def revision(self) -> str:
        """The branch of the Hub that holds it: step143000."""
        return f"step{self.step}"

    @property
    def tokens_seen(self) -> int | None:
        """How many tokens training had read by this step; None where we do not know."""
        return self.step * TOKENS_PER_STEP if self.model in MODELS else None

    def __str__(self) -> str:
        return f"{self.model}@{self.step}"


def steps_of(model: str) -> tuple[int, ...] | None:
    """The steps that were published; None for a name of the user's own."""
    if model in MODELS:
        return STEPS
    return DEMO_STEPS if model == DEMO else None


def parse_step(model: str, text: str) -> int:
    """`3000`, `step3000` or `main` (the last step) as a step of this model.

    Raises UnknownName with the nearest steps where there is no such checkpoint.
    """
    steps = steps_of(model)
    if text == "main" and steps is not None:
        return steps[-1]
    match = _STEP.fullmatch(text)
    if match is None:
        nearest = ["main"] if steps is not None else []
        raise UnknownName(f"checkpoint of {model}", text, nearest)
    step = int(match.group(1))
    if steps is not None and step not in steps:
        nearest_steps = sorted(sorted(steps, key=lambda s: abs(s - step))[:2])
        raise UnknownName(f"checkpoint of {model}", text, [str(s) for s in nearest_steps])
    return step


def parse_name(text: str) -> Checkpoint:
    """`MODEL@STEP`, as quantize --as takes it; the model may be a name of the user's own.

    Raises UsageError where it has no such form, UnknownName where a Pythia model has no such step.
    """
    hint = "--as pythia-410m@143000"
    model, at, step = text.partition("@")
    if not at or not NAME.fullmatch(model):
        raise UsageError(f"{text!r} is no name for a checkpoint; expected MODEL@STEP", hint=hint)
    if model == DEMO or model.startswith(LOCAL_PREFIX):
        raise UsageError(f"{model!r} is a reserved name", hint=hint)
    if steps_of(model) is None and not _STEP.fullmatch(step):
        raise UsageError(f"{step!r} is no step; expected a whole number", hint=f"--as {model}@1")
    return Checkpoint(model, parse_step(model, step))


def nearest_models(name: str, known: list[str]) -> list[str]:
    """The known names most like a mistyped one."""
    return difflib.get_close_matches(name, [DEMO, *known, *MODELS], n=2, cutoff=0.6)
