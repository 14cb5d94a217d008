"""Words and their tokens, for any text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.text.word_spans import Span, byte_places, token_ranges, word_spans


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\n", []),
        ("It was.", ["It", "was."]),
        ("  a  b ", ["a", "b"]),
        ("a\tb\r\nc", ["a", "b", "c"]),
        ("10\u00a0km", ["10", "km"]),
        ("zero\u200bwidth", ["zero\u200bwidth"]),
        ("\u3000x\u3000", ["x"]),
        ("e\u0301 \u0301", ["e\u0301", "\u0301"]),
        ("a\x1cb", ["a\x1cb"]),  # one token may hold all three
    ],
)
def test_words_are_what_white_space_is_not(text: str, words: list[str]) -> None:
    assert [text[begin:end] for begin, end in word_spans(text)] == words


def test_white_space_is_of_the_word_after_it_and_at_the_end_of_the_last() -> None:
    text = " a  bc d \n"
    n_bytes = np.array([2, 1, 2, 1, 1, 1, 1, 1])  # " a", " ", " b", "c", " ", "d", " ", "\n"
    assert token_ranges(text, word_spans(text), n_bytes) == [(0, 1), (1, 4), (4, 8)]


def test_a_token_without_bytes_is_of_the_character_before_it() -> None:
    assert token_ranges("\u00e9 x", [Span(0, 1), Span(2, 3)], np.array([2, 0, 2])) == [
        (0, 2),
        (2, 3),
    ]


def test_a_span_may_hold_white_space() -> None:
    spans = [Span(0, 8), Span(9, 11)]  # "New York", "is"
    assert token_ranges("New York is", spans, np.array([3, 5, 3])) == [(0, 2), (2, 3)]


_ODD = st.sampled_from(
    [" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u200b", "a", "don't", "e\u0301", "\u00e9",
     "\U0001f469\u200d\U0001f467", "\u1100\u1161", "\u0301", "<|endoftext|>", ".", "\x1c", "\x85",
     " " * 9, "12", "\u05d0", "\ufeff", "\u212b"]
)  # fmt: skip


@given(text=st.lists(_ODD, max_size=12).map("".join) | st.text(max_size=30))
def test_every_word_has_tokens_and_every_token_is_in_one_word(
    neox_tokenizer: PythiaTokenizer, text: str
) -> None:
    encoded = neox_tokenizer.encode_covering(text)
    spans = word_spans(text)
    if not spans:
        return
    ranges = token_ranges(text, spans, encoded.n_bytes)
    assert [lo for lo, _ in ranges] == [0, *(hi for _, hi in ranges[:-1])]
    assert ranges[-1][1] == len(encoded)
    assert all(lo < hi for lo, hi in ranges)


@given(st.text(max_size=40), st.lists(st.integers(0, 40), max_size=5))
def test_places_in_bytes(text: str, places: list[int]) -> None:
    places = sorted(min(place, len(text)) for place in places)
    assert byte_places(text, places) == [len(text[:place].encode()) for place in places]
