"""Surprisal of 500 difficult texts against transformers, wordsprobability and minicons."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.library.model import Model
from pythia_cli.measures.surprisal import SurprisalMeter, SurprisalOptions
from pythia_cli.text.word_spans import word_spans
from tests.golden_measures import GoldenText, golden_texts, token_sets

TOLERANCE = 1e-4  # nats
TEXTS = [text for text in golden_texts() if text.text]


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with pythia_cli.load("demo", dtype="float32", n_threads=1) as opened:
        yield opened


def records(model: Model, texts: list[GoldenText], **options: Any) -> list[list[dict[str, Any]]]:
    meter = SurprisalMeter(model, SurprisalOptions(base=math.e, **options))
    found = meter.measure([text.text for text in texts])
    return [one for one in found if isinstance(one, list)]


def column(rows: list[dict[str, Any]], name: str) -> np.ndarray[Any, Any]:
    return np.array([row[name] for row in rows], np.float64)


def assert_equal(ours: Any, theirs: Any, text: GoldenText, atol: float = TOLERANCE) -> None:
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol, err_msg=ascii(text.text))


def test_tokens_are_those_of_transformers(model: Model) -> None:
    for text, rows in zip(TEXTS, records(model, TEXTS, by="token"), strict=True):
        assert [row["token_id"] for row in rows] == text.figures["token_ids"].tolist()
        assert_equal(column(rows, "surprisal"), text.figures["nll"], text)
        assert_equal(column(rows, "entropy"), text.figures["entropy"][:-1], text)


def test_every_word_has_a_surprisal_and_they_sum_to_the_text(model: Model) -> None:
    for correction in ("pimentel-meister", "oh-schuler", "white-space"):
        found = records(model, TEXTS, correction=correction)
        for text, rows in zip(TEXTS, found, strict=True):
            assert len(rows) == len(word_spans(text.text))
            if rows:
                assert all(math.isfinite(row["surprisal"]) and row["n_tokens"] > 0 for row in rows)
                n_tokens, total = len(text.figures["nll"]), math.fsum(text.figures["nll"])
                assert sum(row["n_tokens"] for row in rows) == n_tokens
                assert_equal(column(rows, "surprisal_uncorrected").sum(), total, text)


def spaced(texts: list[GoldenText], authority: str) -> list[GoldenText]:
    """Texts whose words are separated by single spaces, and which the authority scores.

    It finds words by their tokens: so it must have found those between spaces.
    """
    return [
        text
        for text in texts
        if authority not in text.failed
        and " ".join(text.text.split()) == text.text
        and len(text.words[authority]) == len(text.text.split())
    ]


def test_words_are_those_of_wordsprobability(model: Model) -> None:
    """Whose set of tokens for the first word has the end of text twice."""
    texts = spaced(TEXTS, "wordsprobability")
    assert len(texts) > 250
    for text, rows in zip(texts, records(model, texts), strict=True):
        figures = text.figures
        space, end, added = (np.exp(figures[f"log_{n}"][0]) for n in ("space", "end", "added"))
        theirs = figures["wordsprobability_surprisal"].astype(np.float64)
        theirs[0] += np.log((1 - space - added) / (1 - space - added + end))
        assert_equal(column(rows, "surprisal"), theirs, text)
        uncorrected = figures["wordsprobability_surprisal_buggy"]
        assert_equal(column(rows, "surprisal_uncorrected"), uncorrected, text)


def test_words_are_those_of_minicons(model: Model) -> None:
    """By its tokens: it finds the tokens of a word by a rule that some words break."""
    texts = spaced(TEXTS, "minicons")
    assert len(texts) > 250
    space = token_sets()["space"]
    n_same_spans = 0
    for text, rows in zip(texts, records(model, texts, correction="oh-schuler"), strict=True):
        word = np.cumsum(np.isin(text.figures["token_ids"], space))
        word -= word[0]
        if word[-1] + 1 != len(rows):  # a word that its tokens do not begin with a space
            continue
        for name, column_name in (("", "surprisal_uncorrected"), ("_corrected", "surprisal")):
            theirs = np.bincount(word, text.figures[f"minicons_token{name}"])
            assert_equal(column(rows, column_name), theirs, text)
        ours = [(row["first_token"], row["last_token"] + 1) for row in rows]
        if np.array(ours).reshape(-1).tolist() == text.figures["minicons_spans"].tolist():
            n_same_spans += 1
            words = text.figures["minicons_word_corrected"]
            assert_equal(column(rows, "surprisal"), words, text)
    assert n_same_spans > 100


def test_white_space_of_every_kind(model: Model) -> None:
    """By the definition, from transformers' sums."""
    found = records(model, TEXTS, correction="white-space")
    for text, rows in zip(TEXTS, found, strict=True):
        figures = text.figures
        begins = np.logaddexp(figures["log_white"], figures["log_end"])
        for row in rows:
            if row["first_token"] == 0:
                continue
            lo, hi = row["first_token"], row["last_token"] + 1
            theirs = math.fsum(figures["nll"][lo:hi]) + float(begins[lo]) - float(begins[hi])
            assert_equal(row["surprisal"], theirs, text, 2 * TOLERANCE)  # two sums more
