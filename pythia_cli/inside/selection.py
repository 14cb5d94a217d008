"""Which activations are kept, and which parts of them."""

from __future__ import annotations

import difflib
import fnmatch
import operator
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from pythia_cli.engine.activation_names import Activation, activations_of
from pythia_cli.errors import InvalidValue, UnknownName
from pythia_cli.inside.problems import OutsideText, TooLarge
from pythia_cli.suite.config import ModelConfig

_Array = np.ndarray[Any, Any]

KeptDtype = Literal["float32", "float16"]
KEPT_DTYPES: tuple[KeptDtype, ...] = get_args(KeptDtype)

_MOST_NEAREST = 3


@dataclass(frozen=True)
class Selection:
    """What is kept of a run.

    activations: by name, in the order in which they are computed. positions: of each text, from its
    end if they are negative; None: all. heads: None: all. dtype: what values are rounded to.
    """

    activations: dict[str, Activation]
    positions: tuple[int, ...] | None = None
    heads: tuple[int, ...] | None = None
    dtype: KeptDtype = "float32"

    @classmethod
    def of(
        cls,
        config: ModelConfig,
        patterns: Iterable[str],
        positions: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
        dtype: str = "float32",
    ) -> Selection:
        """The activations of a model that match the patterns, as fnmatch does.

        Raises UnknownName for a pattern that matches none, InvalidValue.
        """
        found = matching(config, patterns)
        if heads is not None:
            heads = _whole("heads", heads)
            for head in heads:
                if not 0 <= head < config.n_heads:
                    raise InvalidValue("heads", head, f"0 to {config.n_heads - 1}")
            if not any("head" in one.axes for one in found.values()):
                raise InvalidValue("heads", heads, "none, as no chosen activation has heads")
        if positions is not None:
            positions = _whole("positions", positions)
        if dtype not in KEPT_DTYPES:
            raise InvalidValue("values", dtype, " or ".join(KEPT_DTYPES))
        return cls(
            found,
            None if positions is None else tuple(positions),
            None if heads is None else tuple(heads),
            dtype,
        )

    def rows(self, text: int, n: int) -> _Array:
        """The chosen positions of a text of n tokens, from 0. Raises OutsideText."""
        if self.positions is None:
            return np.arange(n)
        for position in self.positions:
            if not -n <= position < n:
                raise OutsideText(position, text, n)
        return np.array(self.positions, np.int64) % n

    def shape(self, config: ModelConfig, activation: Activation, n: int) -> tuple[int, ...]:
        """The shape of what is kept of an activation, for a text of n tokens."""
        n_rows = n if self.positions is None else len(self.positions)
        n_heads = config.n_heads if self.heads is None else len(self.heads)
        sizes = {"position": n_rows, "query": n_rows, "head": n_heads}
        whole = activation.shape(config, n)
        return tuple(
            sizes.get(axis, size) for axis, size in zip(activation.axes, whole, strict=True)
        )

    def taken(self, activation: Activation, values: _Array, rows: _Array | None) -> _Array:
        """A copy of what is kept of an activation's values. rows: its positions; None: all it has.

        Raises TooLarge.
        """
        for axis, name in enumerate(activation.axes):
            if name in ("position", "query") and rows is not None and self.positions is not None:
                values = values.take(rows, axis)
            if name == "head" and self.heads is not None:
                values = values.take(self.heads, axis)
        with np.errstate(over="ignore"):
            kept = values.astype(self.dtype)
        if self.dtype == "float16":
            lost = np.isinf(kept) & np.isfinite(values)
            if lost.any():
                raise TooLarge(activation.name, float(values[lost][0]))
        return kept


def matching(
    config: ModelConfig, patterns: Iterable[str], argument: str = "capture"
) -> dict[str, Activation]:
    """The activations that match one of the patterns. argument: what gave these.

    Raises UnknownName, and InvalidValue if there is no pattern.
    """
    known = activations_of(config)
    patterns = [patterns] if isinstance(patterns, str) else patterns
    patterns = list(patterns) if isinstance(patterns, Iterable) else []
    if not patterns:
        raise InvalidValue(argument, patterns, "at least one name")
    chosen: set[str] = set()
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise InvalidValue(argument, pattern, "names of activations, or patterns of names")
        names = [pattern] if pattern in known else []
        names = names or [name for name in known if fnmatch.fnmatchcase(name, pattern)]
        if not names:
            raise UnknownName("activation", pattern, _nearest(pattern, list(known)))
        chosen.update(names)
    return {name: known[name] for name in known if name in chosen}


def _nearest(pattern: str, known: list[str]) -> list[str]:
    """Names like an unknown one; for a pattern, as patterns."""
    if any(character in pattern for character in "*?["):
        known = list(dict.fromkeys(re.sub(r"\d+", "*", name, count=1) for name in known))
    return difflib.get_close_matches(pattern, known, _MOST_NEAREST, 0.5)


def _whole(name: str, values: Sequence[int]) -> list[int]:
    """The values, also of numpy. Raises InvalidValue unless they are whole numbers, each once."""
    try:
        found = [operator.index(value) for value in values if not isinstance(value, bool)]
    except TypeError:
        found = []
    if not found or len(set(found)) < len(values):
        raise InvalidValue(name, values, "whole numbers, each of them once")
    return found
