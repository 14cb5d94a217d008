"""Prompts: texts and token ids, and how much of a long one is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pythia_cli.engine.prompts import encode_prompt
from pythia_cli.errors import PromptTooLong, UsageError
from pythia_cli.text.tokenizer import PythiaTokenizer


def test_an_empty_prompt_is_the_end_of_text(demo_tokenizer: PythiaTokenizer) -> None:
    for empty in ("", [], np.empty(0, np.uint16)):
        assert encode_prompt(demo_tokenizer, empty, 8).token_ids.tolist() == [0]


def test_token_ids_are_a_prompt(demo_tokenizer: PythiaTokenizer) -> None:
    ids = [5, 0, demo_tokenizer.size - 1]
    for given in (ids, tuple(ids), np.array(ids, np.uint16)):
        assert encode_prompt(demo_tokenizer, given, 8).token_ids.tolist() == ids
    kept = encode_prompt(demo_tokenizer, ids, 3, make_room=2)
    assert (kept.token_ids.tolist(), kept.n_cut) == (ids[2:], 2)
    with pytest.raises(PromptTooLong):
        encode_prompt(demo_tokenizer, ids, 3)


@pytest.mark.parametrize("bad", [[-1], [1 << 40], [1.0], [[1, 2]], [[1], [1, 2]], ["a"]])
def test_what_is_no_prompt(demo_tokenizer: PythiaTokenizer, bad: Any) -> None:
    with pytest.raises(UsageError, match="token"):
        encode_prompt(demo_tokenizer, bad, 8)


def test_a_prompt_leaves_room_for_one_token(demo_tokenizer: PythiaTokenizer) -> None:
    token_ids = demo_tokenizer.encode("It is a truth universally acknowledged, that a single man")
    n, text = len(token_ids), "It is a truth universally acknowledged, that a single man"
    assert encode_prompt(demo_tokenizer, text, n + 1).token_ids.tolist() == token_ids.tolist()
    with pytest.raises(PromptTooLong) as too_long:
        encode_prompt(demo_tokenizer, text, n)
    assert (too_long.value.n_prompt_tokens, too_long.value.n_ctx) == (n, n)


@pytest.mark.parametrize(
    ("n_ctx", "n_new", "n_kept"),
    [
        (8, 1, 7),
        (8, 5, 3),
        (8, 6, 2),
        (8, 7, 2),
        (8, 8, 2),
        (8, 99, 2),
        (99, 9, None),
        (48, 47, 12),
    ],
)
def test_the_end_of_a_prompt_leaves_room(
    demo_tokenizer: PythiaTokenizer, n_ctx: int, n_new: int, n_kept: int | None
) -> None:
    """For all new tokens, but at least a quarter of the context is for the prompt."""
    text = "It is a truth universally acknowledged, that a single man"
    token_ids = demo_tokenizer.encode(text).tolist()
    kept = encode_prompt(demo_tokenizer, text, n_ctx, make_room=n_new)
    assert kept.token_ids.tolist() == token_ids[-(n_kept or len(token_ids)) :]
    assert kept.n_cut == len(token_ids) - len(kept.token_ids)


def test_more_room_for_new_tokens_never_keeps_more_of_the_prompt(
    demo_tokenizer: PythiaTokenizer, eval_text: str
) -> None:
    kept = [
        len(encode_prompt(demo_tokenizer, eval_text[:400], 48, make_room=n).token_ids)
        for n in range(1, 99)
    ]
    assert kept == sorted(kept, reverse=True)
    assert kept[-1] == 12
