"""Token ids that are given in place of a text: their checks, and the bytes that they spell."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from pythia_cli.errors import UsageError
from pythia_cli.text.encoded import Encoded
from pythia_cli.text.tokenizer import PythiaTokenizer


class IdLines(NamedTuple):
    """Token ids in place of a text of several lines: token_ids [n], and where each line ends [m].

    Lines matter where each is scored by itself.
    """

    token_ids: np.ndarray[Any, Any]
    ends: Sequence[int]

    @classmethod
    def whole(cls, token_ids: np.ndarray[Any, Any]) -> IdLines:
        """One line."""
        return cls(token_ids, [len(token_ids)])

    @classmethod
    def of(cls, lines: Sequence[np.ndarray[Any, Any]]) -> IdLines:
        """Several lines, each [n] int64."""
        ends = array("q", accumulate(map(len, lines)))
        return cls(np.concatenate([np.empty(0, np.int64), *lines]), ends)

    def place_of(self, at: int) -> str:
        """Where the token with the index `at` is, counted from 1; the line if there are several."""
        line = bisect_right(self.ends, at)
        begin = self.ends[line - 1] if line else 0
        return f"line {line + 1}, " * (len(self.ends) > 1) + f"token {at - begin + 1}"


def checked_token_ids(
    token_ids: Sequence[int] | np.ndarray[Any, Any], tokenizer: PythiaTokenizer
) -> np.ndarray[Any, Any]:
    """token_ids [n] int64. Raises UsageError, with its place from 1, for one that no token has.

    A model's vocabulary is padded; ids of the padding are refused too.
    """
    ids = whole_numbers(token_ids)
    if (at := first_unknown(ids, tokenizer)) is not None:
        raise UsageError(f"token {at + 1} {unknown(int(ids[at]), tokenizer)}")
    return ids.astype(np.int64)


def whole_numbers(token_ids: Sequence[int] | np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The ids [n], of any integer type. Raises UsageError for anything else."""
    try:
        ids = np.asarray(token_ids)
    except (ValueError, OverflowError):  # lists of several lengths
        ids = np.empty((0, 0))
    if ids.ndim == 1 and ids.size == 0:
        return np.empty(0, np.int64)
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise UsageError("expected a text, or a list of token ids, which are whole numbers")
    return ids


def first_unknown(ids: np.ndarray[Any, Any], tokenizer: PythiaTokenizer) -> int | None:
    """The index of the first of ids [n] that no token has; None if there is none."""
    is_unknown = (ids < 0) | (ids >= tokenizer.size)
    if tokenizer.missing.size:
        is_unknown |= np.isin(ids, tokenizer.missing)
    return int(is_unknown.argmax()) if is_unknown.any() else None


def unknown(token_id: int, tokenizer: PythiaTokenizer) -> str:
    """What is wrong with an id that no token has."""
    gaps = ", with gaps" if tokenizer.missing.size else ""
    return f"has the id {token_id}; the tokenizer has ids from 0 to {tokenizer.size - 1}{gaps}"


def spelled_bytes(token_ids: np.ndarray[Any, Any], tokenizer: PythiaTokenizer) -> bytes:
    """The bytes of token_ids [n], which need not be whole characters."""
    return b"".join(map(tokenizer.token_bytes, token_ids.tolist()))


def spelled_text(token_ids: np.ndarray[Any, Any], tokenizer: PythiaTokenizer) -> str:
    """The text of token_ids [n].

    Bytes that are not UTF-8, as where a character is cut off, are lone surrogates, which keep them
    (PEP 383): `text.encode(errors="surrogateescape")` gives the bytes back.
    """
    return spelled_bytes(token_ids, tokenizer).decode(errors="surrogateescape")


def covering(token_ids: np.ndarray[Any, Any], tokenizer: PythiaTokenizer) -> Encoded:
    """token_ids [n] as the tokens of `spelled_bytes`, each of which covers its own bytes."""
    distinct, places = np.unique(token_ids, return_inverse=True)
    lengths = [len(tokenizer.token_bytes(token_id)) for token_id in distinct.tolist()]
    return Encoded(token_ids, np.array(lengths, np.int64)[places])
