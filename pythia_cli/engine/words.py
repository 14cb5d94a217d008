"""Counts words without making a list of them: a text may have 50 million."""

from __future__ import annotations

import codecs

_PIECE = 1 << 20  # bytes


def count_words(data: bytes, begin: int, end: int) -> int:
    """The number of words in data[begin:end], UTF-8 text that is split on white space.

    Bytes of a character that is not whole are no white space. As in lm-eval, which splits with
    re.split(r"\\s+", data), there is an empty word before white space at the beginning of the data,
    and after that at its end.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    n_words, in_word, is_first = 0, False, True
    for at in range(begin, end, _PIECE):
        text = decoder.decode(data[at : min(at + _PIECE, end)], final=at + _PIECE >= end)
        if text:
            n_words += is_first and begin == 0 and text[0].isspace()
            n_words += len(text.split()) - (in_word and not text[0].isspace())
            in_word, is_first = not text[-1].isspace(), False
    ends_in_space = not (in_word or is_first)
    return n_words + (end == len(data) and ends_in_space)
