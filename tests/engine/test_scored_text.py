"""ScoredText: the bytes and words that it counts, and its records per token."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.engine.scored_text import ScoredText
from pythia_cli.text.tokenizer import PythiaTokenizer


def scored_text(text: str, n_bytes: list[int], scored: list[int]) -> ScoredText:
    n = len(n_bytes)
    nll, entropy, rank = np.full(n, np.nan), np.full(n, np.nan), np.full(n, -1)
    nll[scored], entropy[scored], rank[scored] = 1.0, 2.0, 4
    return ScoredText(text, np.arange(n), np.array(n_bytes), nll, entropy, rank)


@pytest.mark.parametrize(
    ("scored", "n_bytes", "n_words"),
    [
        ([], 0, 0),
        ([0, 1, 2, 3, 4], 17, 5),  # lm-eval counts an empty word after the last white space
        ([1, 2, 3, 4], 15, 5),  # "e cat sat on   ": partial words count
        ([2], 4, 1),
        ([1, 3], 8, 3),
        ([4], 3, 1),
    ],
)
def test_bytes_and_words_are_those_that_scored_tokens_cover(
    scored: list[int], n_bytes: int, n_words: int
) -> None:
    totals = scored_text("the cat sat on   ", [2, 5, 4, 3, 3], scored).totals
    assert (totals.n_tokens, totals.n_bytes, totals.n_words) == (len(scored), n_bytes, n_words)
    assert totals.nll == len(scored)


def test_accuracy_is_the_share_of_rank_0_among_the_scored() -> None:
    nll, rank = np.array([np.nan, 1.0, 1.0, 1.0]), np.array([-1, 0, 2, 0])
    totals = ScoredText("abcd", np.arange(4), np.ones(4, int), nll, nll, rank).totals
    assert (totals.n_correct, totals.accuracy) == (2, 2 / 3)


WHITE = " \t\n\r\x0b\x0c\x1c\x85\xa0\u2003\u2028"


@given(text=st.text(alphabet=f"ab.{WHITE}", min_size=1, max_size=20))
def test_words_of_a_whole_text_are_counted_as_in_lm_eval(text: str) -> None:
    n_bytes = len(text.encode())
    totals = scored_text(text, [n_bytes], [0]).totals
    assert totals.n_words == len(re.split(r"\s+", text))
    assert totals.n_bytes == n_bytes


def test_token_records_have_scores_or_none(demo_tokenizer: PythiaTokenizer) -> None:
    text = "It is caf\u00e9"
    encoded = demo_tokenizer.encode_covering(text)
    scored = scored_text(text, encoded.n_bytes.tolist(), list(range(1, len(encoded.token_ids))))
    scored = ScoredText(text, encoded.token_ids, *(vars(scored)[f] for f in
                        ("n_bytes", "nll", "entropy", "rank")))  # fmt: skip
    first, *others = scored.tokens(demo_tokenizer)
    assert [first["nll"], first["entropy"], first["rank"]] == [None] * 3
    assert {(t["nll"], t["entropy"], t["rank"]) for t in others} == {(1.0, 2.0, 4)}
    assert [t["token_id"] for t in (first, *others)] == encoded.token_ids.tolist()
    assert sum(t["n_bytes"] for t in (first, *others)) == len(text.encode())
    # Bytes that are not valid UTF-8 are given in hexadecimal.
    assert "".join(t["text"] for t in (first, *others)).startswith("It is caf")


def test_it_has_json_and_a_repr_of_one_line() -> None:
    scored = scored_text("the cat", [3, 4], [1])
    record = json.loads(json.dumps(scored.to_dict()))
    assert (record["nll"], record["rank"]) == ([None, 1.0], [None, 4])
    assert record["figures"]["n_tokens"] == 1
    assert repr(scored) == "ScoredText(2 tokens, 1 scored, nll 1.0000)"
