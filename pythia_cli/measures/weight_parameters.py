"""Names of parameters as tables of weights have them: the layer apart, and the parts q, k and v."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import prod

from pythia_cli.errors import UnknownName
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.parameters import MODULES, published_tensors

ALL = ("*",)
"""Patterns that every parameter matches."""

QKV = ("q", "k", "v")
"""The parts of attention.query_key_value, whose rows are the q, k and v of the first head, then
those of the next: [n_heads, 3, d_head, ...]."""


@dataclass(frozen=True)
class WeightName:
    """A parameter of a float checkpoint.

    published: its name there. layer: None where it is in none. name: the published one without
    `gpt_neox.` and `layers.N.`: attention.dense.weight. parts: those that it consists of.
    """

    published: str
    layer: int | None
    name: str
    shape: tuple[int, ...]
    parts: tuple[str, ...] = ()

    @property
    def n_values(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)


def parameters_of(config: ModelConfig, wanted: Iterable[str] = ALL) -> list[WeightName]:
    """The parameters whose names match one of these patterns, in the order of the model.

    That is: the embedding, the layers, the final norm, the unembedding. Patterns have `*`, `?` and
    [...]. Raises UnknownName for one that matches no name.
    """
    chosen = set(names_matching(wanted))
    found = []
    for published, tensor in published_tensors(config).items():
        module = tensor.module
        name = _short(module.published, tensor.part)
        if name in chosen:
            parts = QKV if module.short_name == "query_key_value" else ()
            layer = tensor.layer if module.in_layers else None
            found.append(WeightName(published, layer, name, tensor.shape, parts))
    return sorted(found, key=_place)


def names_matching(wanted: Iterable[str] = ALL) -> list[str]:
    """The names of parameters, without layers, that match one of these patterns.

    Raises UnknownName, with the nearest names, for a pattern that matches none.
    """
    patterns = list(wanted)
    for pattern in patterns or [""]:
        if not _matching(pattern, NAMES):
            nearest = difflib.get_close_matches(pattern, NAMES, 3, 0.5)
            raise UnknownName("parameter", pattern, nearest)
    return [name for name in NAMES if any(_matching(pattern, [name]) for pattern in patterns)]


def _matching(pattern: str, names: Sequence[str]) -> list[str]:
    return [name for name in names if fnmatchcase(name, pattern)]


def _short(published: str, part: str) -> str:
    return f"{published.removeprefix('gpt_neox.').removeprefix('layers.{layer}.')}.{part}"


NAMES = tuple(_short(m.published, part) for m in MODULES for part in m.published_parts)
"""All of them."""


def _place(one: WeightName) -> tuple[int, int]:
    """Where it comes: by its layer, and before or behind all layers."""
    if one.layer is not None:
        return 1, one.layer
    return (0, 0) if one.name.startswith("embed_in") else (2, 0)
