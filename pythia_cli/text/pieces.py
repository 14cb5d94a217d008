"""Where a text may be cut so that its pieces have the same tokens as the whole.

The pre-tokenizer's regular expression knows four classes: letters, digits, white space and others.
Except for a space before a word, and contractions such as 's, a match has one class. So it
ends a match between two characters of different classes, whatever is around them, if the first is
neither white space nor an apostrophe. NFC must change neither of them, nor join or reorder them
with others. What is left are the added tokens: none may reach over the cut.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np

from pythia_cli.errors import InputError
from pythia_cli.text.nfc_kinds import KEPT, nfc_kinds

LONGEST_WORD = 8 << 20
"""The most bytes of UTF-8 in a row that cannot be cut. Encoding takes some 130 times as many."""

UNKNOWN, LETTER, DIGIT, SPACE, OTHER = range(5)

_NEAR = 1 << 8  # characters that are looked at first
_AT_A_TIME = 1 << 20  # characters: Ctrl-C waits for them


def inner_characters(added_tokens: Iterable[str]) -> frozenset[str]:
    """The characters before which an added token may be under way, in a text that may be cut.

    A run of spaces is never under way there, because a cut has no white space before it.
    """
    return frozenset(
        after
        for token in added_tokens
        for form in (token, unicodedata.normalize("NFC", token))
        for before, after in pairwise(form)
        if not before.isspace()
    )


def pieces(text: str, size: int, inner: frozenset[str]) -> Iterator[str]:
    """Yield the text in pieces of at least `size` characters; longer where it cannot be cut.

    Raises InputError for a word that is too long.
    """
    begin = 0
    while len(text) - begin > size:
        end = _next_cut(text, begin + size, inner)
        if len(text[begin + size : end].encode(errors="surrogatepass")) > LONGEST_WORD:
            most = f"{LONGEST_WORD >> 20} MiB"
            raise InputError("text", f"has a word of more than {most}, which takes too much memory")
        if end == len(text):
            break
        yield text[begin:end]
        begin = end
    yield text[begin:] if begin else text


def _next_cut(text: str, at: int, inner: frozenset[str]) -> int:
    """The first cut from `at` on; the end of the text if there is none."""
    width = _NEAR
    while at < len(text):
        # From one before, as a cut depends on two characters.
        window = text[at - 1 : at + width].encode("utf-32-le", errors="surrogatepass")
        classes = character_classes()[np.frombuffer(window, np.uint32)]
        before, after = classes[:-1], classes[1:]
        is_cut = (before != after) & (before != SPACE) & (before != UNKNOWN) & (after != UNKNOWN)
        for cut in (np.flatnonzero(is_cut) + at).tolist():
            if text[cut - 1] != "'" and text[cut] not in inner:
                return cut
        at, width = at + width, _AT_A_TIME
    return len(text)


@cache
def character_classes() -> np.ndarray[Any, Any]:
    """[0x110000] uint8: the class of each character.

    UNKNOWN if NFC may touch it, or if its class is not the same in all versions of Unicode: the
    tokenizers library may have another than Python.
    """
    old = unicodedata.ucd_3_2_0
    classes = np.full(0x110000, UNKNOWN, np.uint8)
    for place in range(0x10000):
        character = chr(place)
        category = unicodedata.category(character)
        if category[0] == old.category(character)[0]:
            classes[place] = _CLASS_OF.get(category[0], OTHER)
            if category in ("Cc", "Cn", "Cs"):
                classes[place] = SPACE if character in "\t\n\v\f\r" else UNKNOWN
    classes[nfc_kinds() != KEPT] = UNKNOWN
    return classes


_CLASS_OF = {"L": LETTER, "N": DIGIT, "Z": SPACE}
