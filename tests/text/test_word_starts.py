"""Which tokens may begin a word."""

from __future__ import annotations

import numpy as np

from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.text.word_starts import word_starts


def members(tokens: np.ndarray) -> set[int]:
    return set(np.flatnonzero(tokens).tolist())


def test_of_pimentel_and_meister(neox_tokenizer: PythiaTokenizer) -> None:
    """As wordsprobability: by how the BPE spells a token, without what was added to it."""
    spelled = neox_tokenizer._tokenizer.get_vocab(with_added_tokens=False)
    spaced = {i for token, i in spelled.items() if token.startswith("\u0120")}
    found = word_starts(neox_tokenizer, 50304, "pimentel-meister")
    assert found.first_word is not None
    assert members(found.next_word) == spaced | {0}
    assert members(found.first_word) == set(spelled.values()) - spaced
    assert found.next_word.dtype == np.float32
    assert len(found.next_word) == len(found.first_word) == 50304


def test_of_oh_and_schuler(neox_tokenizer: PythiaTokenizer) -> None:
    found = word_starts(neox_tokenizer, 50304, "oh-schuler")
    other = word_starts(neox_tokenizer, 50304, "pimentel-meister")
    assert found.first_word is None
    assert members(found.next_word) == members(other.next_word) - {0}


def test_white_space(neox_tokenizer: PythiaTokenizer) -> None:
    """Of every kind, and runs of spaces; but not parts of characters."""
    found = word_starts(neox_tokenizer, 50304, "white-space")
    assert found.first_word is not None
    for text, begins in (
        ("\n", 1),
        (" the", 1),
        ("      ", 1),
        ("\u00a0", 1),
        ("the", 0),
        ("\x1c", 0),
    ):
        (token_id,) = neox_tokenizer.encode(text).tolist()
        assert found.next_word[token_id] == begins
        assert found.first_word[token_id] == 1 - begins
    assert found.next_word[0] == 1
    assert members(found.first_word) | members(found.next_word) == set(range(neox_tokenizer.size))
