"""Counts words without making a list of them: a text may have 50 million."""

from __future__ import annotations

import codecs

_PIECE = 1 << 20  # bytes


def count_words(data: bytes, begin: int, end: int) -> int:
    """The number of words in data[begin:end], UTF-8 text that is split on white space.

    Bytes of a character that is not whole are no white space.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    n_words, in_word = 0, False
    for at in range(begin, end, _PIECE):
        text = decoder.decode(data[at : min(at + _PIECE, end)], final=at + _PIECE >= end)
        if text:
            n_words += len(text.split()) - (in_word and not text[0].isspace())
            in_word = not text[-1].isspace()
    return n_words
