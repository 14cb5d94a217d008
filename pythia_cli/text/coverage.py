"""How many bytes of a text, which may not be in NFC, each of its tokens covers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from pythia_cli.text.nfc_kinds import JOINS, KEPT, REPLACED, nfc_kinds

_LONGEST = 64
"""A longer run of characters that NFC may join is taken as one: finding its parts is quadratic."""


def covered_bytes(
    text: str, lengths: np.ndarray[Any, Any], nfc: Callable[[str], str], taken_first: Sequence[str]
) -> np.ndarray[Any, Any] | None:
    """The bytes of the text that each token covers, [n] int64; None if the tokens are not all.

    lengths [n]: the bytes of each token, in NFC. nfc: the tokenizer's; that of unicodedata takes
    quadratic time for long runs of marks. taken_first: tokens that are found in the text before it
    is normalised. The first token of a character covers all of its bytes.
    """
    in_text, in_nfc = _sizes(text, nfc, taken_first)
    if lengths.sum() != in_nfc.sum():
        return None
    begins = np.cumsum(in_nfc) - in_nfc
    n_begun = np.searchsorted(begins, np.cumsum(lengths))  # before the end of each token
    covered = np.concatenate([[0], np.cumsum(in_text)])[n_begun]
    return np.diff(covered, prepend=0)


def _sizes(
    text: str, nfc: Callable[[str], str], taken_first: Sequence[str]
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """The bytes of each character, in the text and in NFC: both [len(text)] int64.

    Characters that NFC joins or reorders count as one, at the place of the first.
    """
    code = np.frombuffer(text.encode("utf-32-le"), np.uint32)
    in_text = 1 + (code > 0x7F).astype(np.int64) + (code > 0x7FF) + (code > 0xFFFF)
    in_nfc = in_text.copy()
    kind = nfc_kinds()[code]
    # may_join[i]: may the character at i be joined with the one before it?
    may_join = np.ones(len(text) + 1, bool)
    may_join[0] = False
    for begin, end in _places(text, taken_first):
        may_join[begin + 1 : end + 1] = False
        kind[begin:end] = KEPT
    joins = kind == JOINS
    replaced = np.flatnonzero(kind == REPLACED).tolist()
    edges = np.flatnonzero(np.diff(joins, prepend=False, append=False)).reshape(-1, 2).tolist()
    runs = [(begin - bool(may_join[begin]), end) for begin, end in edges]
    known: dict[str, list[tuple[int, int, int]]] = {}
    for begin, end in [*((at, at + 1) for at in replaced), *runs]:
        run = text[begin:end]
        if run not in known:
            parts = list(_parts(run, nfc))
            known[run] = [(len(p), len(p.encode()), len(nfc(p).encode())) for p in parts]
        in_text[begin:end] = in_nfc[begin:end] = 0
        at = begin
        for n, n_text, n_nfc in known[run]:
            in_text[at], in_nfc[at] = n_text, n_nfc
            at += n
    return in_text, in_nfc


def _places(text: str, tokens: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield begin and end of each of these tokens in the text: the first, and then the longest."""
    if tokens:
        names = map(re.escape, sorted(tokens, key=len, reverse=True))
        for found in re.finditer("|".join(names), text):
            yield found.span()


def _parts(run: str, nfc: Callable[[str], str]) -> Iterator[str]:
    """Cut a run of characters into the shortest parts that NFC changes independently."""
    begin, done, whole = 0, "", nfc(run)
    if len(run) <= _LONGEST:
        for end in range(1, len(run)):
            part = nfc(run[begin:end])
            if done + part + nfc(run[end:]) == whole:
                yield run[begin:end]
                begin, done = end, done + part
    yield run[begin:]
