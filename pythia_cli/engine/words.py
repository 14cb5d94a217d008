"""Counts words without making a list of them: a text may have 50 million."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable

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


def count_covered(
    data: bytes, runs: Iterable[tuple[int, int]], bytes_between: Callable[[int, int], int]
) -> tuple[int, int]:
    """How many bytes and words of a text some runs of its tokens cover.

    runs: begin and end of each, in order. bytes_between: how many bytes the tokens begin..end
    cover.
    """
    n_bytes = n_words = reached = at = 0
    for begin, end in runs:
        at += bytes_between(reached, begin)
        covered = bytes_between(begin, end)
        n_words += count_words(data, at, at + covered)
        n_bytes += covered
        reached, at = end, at + covered
    return n_bytes, n_words
