"""Words of a text, and the tokens of each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

# Unlike Python, the tokenizer does not take the separators U+001C to U+001F for white space.
_WORD = re.compile("[\\S\x1c-\x1f]+")
_OPENS_WITH_SPACE = re.compile("(?![\x1c-\x1f])\\s")


def opens_with_space(text: str) -> bool:
    """Whether a text begins with white space."""
    return _OPENS_WITH_SPACE.match(text) is not None


class Span(NamedTuple):
    """Begin and end of a part of a text, in characters."""

    begin: int
    end: int


def word_spans(text: str) -> list[Span]:
    """The words of a text: what white space is not. Punctuation stays with its word."""
    return [Span(*match.span()) for match in _WORD.finditer(text)]


def token_ranges(
    text: str, spans: Sequence[Span], n_bytes: np.ndarray[Any, Any]
) -> list[tuple[int, int]]:
    """For each span, the tokens lo..hi that it gets; each token of the text is in one of them.

    A token is in the first span that ends where it ends, or later: so white space before a word is
    in that word, and white space after the last word in the last. spans: in order, at least one.
    n_bytes [n]: the bytes of the text that each token covers.
    """
    ends = np.array(byte_places(text, [span.end for span in spans]))
    token_ends = np.cumsum(n_bytes)
    highs = np.searchsorted(token_ends, ends, side="right")
    highs[-1] = len(n_bytes)
    lows = [0, *highs[:-1].tolist()]
    return list(zip(lows, highs.tolist(), strict=True))


def byte_places(text: str, places: Sequence[int]) -> list[int]:
    """Where these places of a text, in characters and in order, lie in its UTF-8 bytes."""
    if text.isascii():
        return list(places)
    found, at, n_bytes = [], 0, 0
    for place in places:
        n_bytes += len(text[at:place].encode())
        found.append(n_bytes)
        at = place
    return found
