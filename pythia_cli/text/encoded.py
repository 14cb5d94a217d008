"""The tokens of a text, and the bytes that each covers."""

from __future__ import annotations

from typing import Any

import numpy as np


class Encoded:
    """token_ids [n] int64, and n_bytes [n] int64: how many bytes of the text each token covers.

    Both are kept as the smallest integers that hold them, as a text may have 100 million tokens,
    and made into int64 when they are asked for.
    """

    __slots__ = ("_ids", "_n_bytes")

    def __init__(self, token_ids: np.ndarray[Any, Any], n_bytes: np.ndarray[Any, Any]) -> None:
        self._ids, self._n_bytes = compact(token_ids), compact(n_bytes)

    @classmethod
    def joined(cls, parts: list[Encoded]) -> Encoded:
        """The tokens of a text from those of its parts, which it empties: they take memory."""
        if len(parts) == 1:
            return parts.pop()
        if not parts:
            return cls(np.empty(0, np.int64), np.empty(0, np.int64))
        ids = np.concatenate([part._ids for part in parts])
        n_bytes = [part._n_bytes for part in parts]
        parts.clear()
        return cls(ids, np.concatenate(n_bytes))

    def __len__(self) -> int:
        return len(self._ids)

    def ids(self, begin: int, end: int) -> np.ndarray[Any, Any]:
        """token_ids[begin:end], without making all of them int64."""
        return self._ids[begin:end].astype(np.int64)

    def part(self, begin: int, end: int) -> Encoded:
        """The tokens begin..end alone."""
        return Encoded(self._ids[begin:end], self._n_bytes[begin:end])

    def bytes_between(self, begin: int, end: int) -> int:
        """How many bytes of the text the tokens begin..end cover."""
        return int(self._n_bytes[begin:end].sum())

    def __repr__(self) -> str:
        return f"Encoded({len(self)} tokens, {int(self._n_bytes.sum())} bytes)"

    @property
    def token_ids(self) -> np.ndarray[Any, Any]:
        """[n] int64."""
        return self._ids.astype(np.int64)

    @property
    def n_bytes(self) -> np.ndarray[Any, Any]:
        """[n] int64: the bytes of the text that each token covers; they add up to all of it."""
        return self._n_bytes.astype(np.int64)


def compact(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The values [n], which are 0 or more, as the smallest unsigned integers that hold them."""
    values = np.asarray(values)
    most = int(values.max()) if values.size else 0
    return values.astype(np.min_scalar_type(most), copy=False)
