"""Token ids in place of a text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pythia_cli.errors import UsageError
from pythia_cli.text.token_ids import (
    IdLines,
    checked_token_ids,
    covering,
    first_unknown,
    spelled_bytes,
    spelled_text,
)
from pythia_cli.text.tokenizer import PythiaTokenizer

TEXT = "It is a caf\u00e9 \U0001f701<|endoftext|>"


def test_ids_spell_their_text(demo_tokenizer: PythiaTokenizer) -> None:
    encoded = demo_tokenizer.encode_covering(TEXT)
    assert spelled_bytes(encoded.token_ids, demo_tokenizer) == TEXT.encode()
    assert spelled_text(encoded.token_ids, demo_tokenizer) == TEXT
    part = encoded.token_ids[:-2]  # ends within a character
    cut = spelled_text(part, demo_tokenizer)
    assert cut.encode(errors="surrogateescape") == spelled_bytes(part, demo_tokenizer)
    np.testing.assert_array_equal(
        covering(encoded.token_ids, demo_tokenizer).n_bytes, encoded.n_bytes
    )


@pytest.mark.parametrize("kind", [np.uint8, np.int16, ">u2", np.uint64, list, tuple])
def test_ids_of_any_whole_type(demo_tokenizer: PythiaTokenizer, kind: Any) -> None:
    given = kind([5, 0, 7]) if kind in (list, tuple) else np.array([5, 0, 7], kind)
    found = checked_token_ids(given, demo_tokenizer)
    assert (found.tolist(), found.dtype) == ([5, 0, 7], np.int64)


@pytest.mark.parametrize("bad", [[5, -1, -2], [5, 1 << 62, 0], np.array([5, 1 << 63], np.uint64)])
def test_the_first_unknown_id_is_named(demo_tokenizer: PythiaTokenizer, bad: Any) -> None:
    says = f"token 2 has the id {bad[1]}; the tokenizer has ids from 0 to {demo_tokenizer.size - 1}"
    with pytest.raises(UsageError, match=says):
        checked_token_ids(bad, demo_tokenizer)


def test_ids_between_those_of_tokens_are_unknown(neox_tokenizer: PythiaTokenizer) -> None:
    assert first_unknown(np.arange(neox_tokenizer.size), neox_tokenizer) is None
    ids = np.array([1, neox_tokenizer.size])
    assert first_unknown(ids, neox_tokenizer) == 1


def test_lines() -> None:
    lines = IdLines.of([np.array([1, 2]), np.array([3]), np.array([4, 5])])
    assert (lines.token_ids.tolist(), list(lines.ends)) == ([1, 2, 3, 4, 5], [2, 3, 5])
    assert lines.place_of(1) == "line 1, token 2"
    assert lines.place_of(2) == "line 2, token 1"
    assert lines.place_of(4) == "line 3, token 2"
    assert IdLines.of([np.array([], int), np.array([1])]).place_of(0) == "line 2, token 1"
    assert list(IdLines.whole(np.array([1, 2])).ends) == [2]
    assert IdLines.whole(np.array([1, 2])).place_of(1) == "token 2"
    assert len(IdLines.of([]).token_ids) == 0
