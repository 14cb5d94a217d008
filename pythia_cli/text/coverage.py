"""How many bytes of a text, which may not be in NFC, each of its tokens covers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

_LONGEST = 64
"""A longer run of characters that NFC may join is taken as one: finding its parts is quadratic."""

_REPLACED, _JOINS = 1, 2


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
    kind = _kinds()[code]
    may_join = np.ones(len(text) + 1, bool)  # with the next; [-1] is before the first character
    may_join[-1] = False
    for begin, end in _places(text, taken_first):
        may_join[begin:end] = kind[begin:end] = 0
    joins = kind == _JOINS
    replaced = np.flatnonzero(kind == _REPLACED).tolist()
    edges = np.flatnonzero(np.diff(joins, prepend=False, append=False)).reshape(-1, 2).tolist()
    runs = [(begin - bool(may_join[begin - 1]), end) for begin, end in edges]
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


@cache
def _kinds() -> np.ndarray[Any, Any]:
    """[0x110000] uint8: what NFC may do with each character."""
    kinds = np.zeros(0x110000, np.uint8)
    for place in (*range(0x80, 0x20000), *range(0x2F800, 0x2FA20)):  # there are none elsewhere
        character = chr(place)
        if unicodedata.normalize("NFC", character) != character:
            kinds[place] = _REPLACED
    for place in range(0x80, 0x20000):
        decomposed = unicodedata.normalize("NFD", chr(place))
        if unicodedata.combining(decomposed[0]):
            kinds[place] = _JOINS
        for joined in decomposed[1:]:
            kinds[ord(joined)] = _JOINS
    return kinds
