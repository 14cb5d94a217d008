"""Token ids that are given in place of a text: their checks, and the bytes that they spell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pythia_cli.errors import UsageError
from pythia_cli.text.encoded import Encoded
from pythia_cli.text.tokenizer import PythiaTokenizer


def checked_token_ids(
    token_ids: Sequence[int] | np.ndarray[Any, Any], tokenizer: PythiaTokenizer
) -> np.ndarray[Any, Any]:
    """token_ids [n] int64. Raises UsageError, with its place from 1, for one that no token has.

    A model's vocabulary is padded; ids of the padding are refused too.
    """
    try:
        ids = np.asarray(token_ids)
    except (ValueError, OverflowError):  # lists of several lengths, or of mixed types
        ids = np.empty((0, 0))
    if ids.size == 0 and ids.ndim == 1:
        return np.empty(0, np.int64)
    if ids.ndim != 1 or ids.dtype.kind not in "iu":
        raise UsageError("expected a text, or a list of token ids, which are whole numbers")
    is_bad = (ids < 0) | (ids >= tokenizer.size)
    if tokenizer.missing.size:
        is_bad |= np.isin(ids, tokenizer.missing)
    if is_bad.any():
        at = int(is_bad.argmax())
        raise UsageError(
            f"token {at + 1} has the id {ids[at]}; the tokenizer has ids from 0 to"
            f" {tokenizer.size - 1}" + (", with gaps" if tokenizer.missing.size else "")
        )
    return ids.astype(np.int64)


def spelled_bytes(token_ids: np.ndarray[Any, Any], tokenizer: PythiaTokenizer) -> bytes:
    """The bytes of token_ids [n], which need not be whole characters."""
    return b"".join(map(tokenizer.token_bytes, token_ids.tolist()))


def covering(token_ids: np.ndarray[Any, Any], tokenizer: PythiaTokenizer) -> Encoded:
    """token_ids [n] as the tokens of `spelled_bytes`, each of which covers its own bytes."""
    distinct, places = np.unique(token_ids, return_inverse=True)
    lengths = [len(tokenizer.token_bytes(token_id)) for token_id in distinct.tolist()]
    return Encoded(token_ids, np.array(lengths, np.int64)[places])
