"""Changes of activations while a model runs: activation patching, ablation, steering."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from pythia_cli.engine.activation_names import Activation
from pythia_cli.errors import InvalidValue
from pythia_cli.inside.problems import BadPatch
from pythia_cli.inside.selection import matching
from pythia_cli.suite.config import ModelConfig

_Array = np.ndarray[Any, Any]
_SCORES, _PATTERN = "hook_attn_scores", "hook_pattern"


@dataclass(frozen=True)
class Hook:
    """Where a patch is: the name of the activation, its layer or None, and the text's index."""

    name: str
    layer: int | None
    text: int


Patch: TypeAlias = "Callable[..., _Array | None] | _Array"
"""An array to put in the place of an activation, or a function that is called with a copy of it.

As in TransformerLens: function(values, hook=Hook(...)) returns new values, or None if it has
changed its copy in place.
"""


class Patches:
    """The patches of a run, by the names of activations.

    given: patches by names or patterns; several of one activation are applied in order. Raises
    UnknownName, and InvalidValue for an activation from which nothing is computed.
    """

    def __init__(self, config: ModelConfig, given: Mapping[str, Patch]) -> None:
        if not isinstance(given, Mapping):
            raise InvalidValue("patch", given, "a mapping from names to functions or arrays")
        self._found: dict[str, list[Patch]] = {}
        self._activations: dict[str, Activation] = {}
        for pattern, patch in given.items():
            if not callable(patch) and not isinstance(patch, np.ndarray):
                expected = "a function or a numpy array"
                raise BadPatch(str(pattern), type(patch).__name__, expected)
            for name, activation in matching(config, [pattern], "patch").items():
                if not activation.can_be_patched:
                    raise InvalidValue("patch", name, "an activation that others are computed from")
                self._found.setdefault(name, []).append(patch)
                self._activations[name] = activation

    @property
    def is_empty(self) -> bool:
        """Whether nothing is patched."""
        return not self._found

    def __contains__(self, name: str) -> bool:
        return name in self._found

    def patched(self, name: str, text: int, values: _Array) -> _Array:
        """What the patches make of an activation; the array itself if they change no bit of it.

        Raises BadPatch.
        """
        new = values
        for patch in self._found.get(name, ()):
            new = self._patched(patch, Hook(name, self._activations[name].layer, text), new)
        return values if np.array_equal(new, values) else new

    def _patched(self, patch: Patch, hook: Hook, values: _Array) -> _Array:
        if isinstance(patch, np.ndarray):
            given: Any = patch
        else:
            own = values.copy()
            given = patch(own, hook=hook)
            given = own if given is None else given
        try:
            found = np.asarray(given)
        except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, tensors on a GPU
            raise BadPatch(hook.name, type(given).__name__, "an array of numbers") from error
        if found.shape != values.shape:
            expected = f"an array of shape {values.shape}, as text {hook.text} has it"
            raise BadPatch(hook.name, f"of shape {found.shape}", expected)
        if found.dtype.kind not in "fiub":
            raise BadPatch(hook.name, str(found.dtype), "an array of real numbers")
        with np.errstate(over="ignore"):
            new = found.astype(np.float32)
        _check(hook.name, new, values)
        return new


def _check(name: str, new: _Array, values: _Array) -> None:
    """Raises BadPatch for values that no model could have computed."""
    finite = np.isfinite(new)
    if not name.endswith(_SCORES):
        if not finite.all():
            raise BadPatch(name, float(new[~finite][0]), "finite values")
        return
    masked = np.isneginf(values)
    if not (finite | np.isneginf(new)).all():
        raise BadPatch(name, float(new[~finite & ~np.isneginf(new)][0]), "finite values or -inf")
    if (finite & masked).any():
        raise BadPatch(name, float(new[finite & masked][0]), "-inf for later positions")
    if not finite.any(axis=-1).all():
        raise BadPatch(name, -np.inf, "a finite score in each row")
