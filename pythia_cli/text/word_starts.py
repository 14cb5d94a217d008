"""Which tokens may begin a word: sets of tokens, for the probability of a word.

A token carries the space before it, so the probability that a word ends is in the token after it.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.text.word_spans import opens_with_space

Correction = Literal["pimentel-meister", "oh-schuler", "white-space"]
"""Whose definition of the tokens that may begin a word (docs/surprisal.md)."""

CORRECTIONS: tuple[Correction, ...] = get_args(Correction)


class WordStarts(NamedTuple):
    """Sets of tokens: [d_vocab] float32, 1 for its members, else 0.

    next_word: tokens after which we know that the word before them has ended. first_word: those
    that may begin a text; None if the first word of a text is not corrected.
    """

    next_word: np.ndarray[Any, Any]
    first_word: np.ndarray[Any, Any] | None


def word_starts(tokenizer: PythiaTokenizer, d_vocab: int, correction: Correction) -> WordStarts:
    """The sets of a definition. Raises IntegrityError for a token that is not spelled in bytes.

    pimentel-meister: tokens spelled with a leading space, and the end of text (Pimentel and Meister
    2024; wordsprobability). Added tokens, such as runs of spaces, are in neither set. oh-schuler:
    the same without the end of text, and no correction of the first word (Oh and Schuler 2024;
    minicons). white-space: all tokens that begin with white space, and the end of text.
    """
    if correction == "white-space":
        tokens = (tokenizer.token_bytes(i).decode(errors="replace") for i in range(tokenizer.size))
        begins = np.array([opens_with_space(token) for token in tokens])
    else:
        begins = np.array(
            [tokenizer.token_bytes(i)[:1] == b" " for i in range(tokenizer.n_spelled)]
        )
    first = np.zeros(d_vocab, np.float32)
    first[: len(begins)] = ~begins
    first[tokenizer.missing] = 0
    following = np.zeros(d_vocab, np.float32)
    following[: len(begins)] = begins
    if correction == "oh-schuler":
        return WordStarts(following, None)
    following[tokenizer.end_of_text] = 1
    return WordStarts(following, first)
