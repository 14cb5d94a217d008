"""Words are counted piece by piece, as splitting the whole text would give them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.engine import words
from pythia_cli.engine.words import count_words


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1 << 20])
@given(
    text=st.text(alphabet="ab \n\u00a0\u00e9\u2003\U0001f600", max_size=30),
    cut=st.tuples(st.integers(0, 60), st.integers(0, 60)),
)
def test_words_are_those_of_the_whole(piece: int, text: str, cut: tuple[int, int]) -> None:
    data = text.encode()
    begin, end = sorted(min(place, len(data)) for place in cut)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(words, "_PIECE", piece)
        covered = data[begin:end].decode(errors="replace")
        expected = len(covered.split())
        expected += begin == 0 and covered[:1].isspace()
        expected += end == len(data) and covered[-1:].isspace()
        assert count_words(data, begin, end) == expected
        if text:
            assert count_words(data, 0, len(data)) == len(re.split(r"\s+", text))
