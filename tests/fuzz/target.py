"""What a fuzz target is, and the list of them."""

from __future__ import annotations

import importlib
from pathlib import Path
from random import Random
from typing import Protocol


class Target(Protocol):
    """A reader under test. Made with a scratch folder of its own.

    valid: an input that is accepted.
    """

    valid: bytes

    def __init__(self, folder: Path) -> None: ...

    def make(self, random: Random) -> bytes:
        """An input, usually a changed copy of a valid one. The same seed gives the same input."""

    def check(self, data: bytes) -> None:
        """Read the input, and use what was read.

        Raises PythiaError if the input is refused. Any other exception is a fault.
        """


# Imported one at a time: torch and the kernels are slow to load.
_PLACES = {
    "config": "configs:Configs",
    "names": "names:Names",
    "steps": "step_sets:StepSets",
    "input": "input_texts:InputTexts",
    "manifest": "manifests:Manifests",
    "tokenizer": "tokenizers:Tokenizers",
    "safetensors": "safetensors_files:SafetensorsFiles",
    "bin": "bin_files:BinFiles",
    "int8": "int8_files:Int8Files",
    "hub": "hub_answers:HubAnswers",
}
TARGETS = tuple(_PLACES)
_PLACES["broken"] = "broken:Broken"  # to test the runner


def make_target(name: str, folder: Path) -> Target:
    """The target of this name."""
    module, _, kind = _PLACES[name].partition(":")
    target: Target = getattr(importlib.import_module(f"tests.fuzz.{module}"), kind)(folder)
    return target


def input_at(target: Target, name: str, seed: str, index: int) -> bytes:
    """Input number `index` of a run with this seed.

    Now and then a change meets what an earlier change of the same input left; then it is another.
    """
    for attempt in range(10):
        try:
            return target.make(Random(f"{name} {seed} {index}" + f" {attempt}" * (attempt > 0)))
        except (IndexError, KeyError, TypeError, ValueError, AttributeError):
            if attempt == 9:
                raise
    raise AssertionError
