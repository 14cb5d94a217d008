"""The measures that a sweep can take. Each is imported when it is used."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pythia_cli.errors import UnknownName

if TYPE_CHECKING:
    from pythia_cli.sweeps.measure import SweepMeasure

_HOMES = {
    "perplexity": "whole_texts:SweptPerplexity",
    "surprisal": "item_measures:SweptSurprisal",
    "pairs": "item_measures:SweptPairs",
    "choices": "item_measures:SweptChoices",
    "memorize": "item_measures:SweptMemorization",
    "icl": "whole_texts:SweptInContext",
    "heads": "heads:SweptHeads",
    "weights": "weights:SweptWeights",
    "eval": "tasks:SweptTask",
}
"""Their names, and the class of each in this room: to add one is to add a line."""

NAMES = tuple(_HOMES)

_PATHS: dict[str, tuple[str, ...]] = {"eval": ("include_path",)}


def path_options(name: str) -> tuple[str, ...]:
    """The options of a measure that are paths of files, of which its `sha256` has the content."""
    return _PATHS.get(name, ())


_OF_FLOATS = frozenset({"weights"})


def needs_float_weights(name: str) -> bool:
    """Whether a measure reads the float weights, whatever dtype the model is opened in."""
    return name in _OF_FLOATS


def measure_of(name: str, options: Mapping[str, Any]) -> SweepMeasure:
    """The measure with these options. Raises UnknownName, InvalidValue."""
    from pythia_cli.sweeps.measure import with_options

    if name not in _HOMES:
        raise UnknownName("measure", name, difflib.get_close_matches(name, _HOMES, 3, 0.5))
    module, _, kind = _HOMES[name].partition(":")
    found = getattr(importlib.import_module(f"pythia_cli.sweeps.{module}"), kind)
    made: SweepMeasure = with_options(found, options)
    return made
