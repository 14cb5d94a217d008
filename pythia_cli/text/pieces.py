"""Where a text may be cut so that its pieces have the same tokens as the whole.

A cut is before an ASCII character that follows a character of another class: white space after
anything else, a digit after a letter, and so on. The pre-tokenizer's regular expression ends a word
there, whatever follows, and does not look back. NFC does not join such characters with what is
before them. What is left are the added tokens: none may reach over the cut.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import pairwise

_CUT = re.compile(
    r"(?<=\S)[ \t\n\r]"
    r"|(?<=[A-Za-z])[0-9.,;:!?]"
    r"|(?<=[0-9])[A-Za-z.,;:!?]"
    r"|(?<=[.,;:!?])[A-Za-z0-9]"
)

_AT_A_TIME = 1 << 20  # characters: Ctrl-C waits for the regular expression


def inner_characters(added_tokens: Iterable[str]) -> frozenset[str]:
    """The characters before which an added token may be under way, in a text that may be cut.

    A run of spaces is never under way there, because a cut has no white space before it.
    """
    return frozenset(
        after for token in added_tokens for before, after in pairwise(token) if not before.isspace()
    )


def pieces(text: str, size: int, inner: frozenset[str]) -> Iterator[str]:
    """Yield the text in pieces of at least `size` characters; longer where it cannot be cut."""
    begin = 0
    while len(text) - begin > size:
        end = _next_cut(text, begin + size, inner)
        if end is None:
            break
        yield text[begin:end]
        begin = end
    yield text[begin:] if begin else text


def _next_cut(text: str, at: int, inner: frozenset[str]) -> int | None:
    for begin in range(at, len(text), _AT_A_TIME):
        for found in _CUT.finditer(text, begin, begin + _AT_A_TIME):
            if found.group() not in inner:
                return found.start()
    return None
