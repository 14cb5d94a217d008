"""What a run has kept of one text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

_Array = np.ndarray[Any, Any]
_MOST_SHOWN = 3


class Activations(Mapping[str, _Array]):
    """The activations of one text: a mapping from names to arrays, in the order of computation.

    token_ids [n] int64: those that were run. positions [m] int64: those whose activations are kept.
    """

    def __init__(self, token_ids: _Array, positions: _Array, values: dict[str, _Array]) -> None:
        self.token_ids, self.positions = token_ids, positions
        self._values = values

    def __getitem__(self, name: str) -> _Array:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        shown = [f"{name} {list(self[name].shape)}" for name in list(self)[:_MOST_SHOWN]]
        more = [f"{len(self) - _MOST_SHOWN} more"] if len(self) > _MOST_SHOWN else []
        return f"Activations({len(self.token_ids)} tokens: {', '.join(shown + more)})"
