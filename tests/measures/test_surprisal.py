"""Surprisal against its definition, from the logits."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.errors import InputError, InvalidValue
from pythia_cli.library.model import Model
from pythia_cli.measures.surprisal import SurprisalMeter, SurprisalOptions
from pythia_cli.reporting import Reporter
from pythia_cli.text.word_spans import Span

TEXTS = [
    "It was not a small caf\u00e9, he said.",
    "One",
    " two  words \n",
    "line\none\tcell e\u0301 \U0001f469\u200d\U0001f467 x",
]


@pytest.fixture(scope="module", params=["int8", "float32"])
def model(request: pytest.FixtureRequest) -> Iterator[Model]:
    with pythia_cli.load("demo", dtype=request.param) as opened:
        yield opened


def log_p(model: Model, text: str) -> np.ndarray[Any, Any]:
    """log p [n + 1, d_vocab] before each token of a text, and after the last."""
    ids = [model.tokenizer.end_of_text, *model.tokenize(text).token_ids.tolist()]
    z = model.logits(ids).astype(np.float64)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def log_sum(row: np.ndarray[Any, Any], members: set[int]) -> float:
    return math.log(np.exp(row[sorted(members)]).sum())


def records(model: Model, texts: list[str], **options: Any) -> list[list[dict[str, Any]]]:
    found = SurprisalMeter(model, SurprisalOptions(**options)).measure(texts)
    return [one for one in found if isinstance(one, list)]


def test_words_by_their_definition(model: Model) -> None:
    tokenizer = model.tokenizer
    spelled = tokenizer._tokenizer.get_vocab(with_added_tokens=False)
    spaced = {i for token, i in spelled.items() if token.startswith("\u0120")}
    for text, words in zip(TEXTS, records(model, TEXTS, base=math.e), strict=True):
        p, ids = log_p(model, text), model.tokenize(text).token_ids
        assert [word["word"] for word in words] == text.split()
        for word in words:
            lo, hi = word["first_token"], word["last_token"] + 1
            plain = -sum(p[i, ids[i]] for i in range(lo, hi))
            is_first = lo == 0 and not text[0].isspace()
            before = set(spelled.values()) - spaced if is_first else spaced | {0}
            corrected = plain + log_sum(p[lo], before) - log_sum(p[hi], spaced | {0})
            assert word["surprisal_uncorrected"] == pytest.approx(plain, abs=2e-5)
            assert word["surprisal"] == pytest.approx(corrected, abs=2e-5)
            assert word["entropy"] == pytest.approx(-(np.exp(p[lo]) @ p[lo]), abs=2e-5)
            assert word["n_tokens"] == hi - lo
            assert text[word["char_start"] : word["char_end"]] == word["word"]


def test_units_add_up(model: Model) -> None:
    """Of a text, its words and its tokens."""
    by = {unit: records(model, TEXTS, by=unit) for unit in ("token", "word", "text")}
    for tokens, words, (text,) in zip(*by.values(), strict=True):
        total = sum(token["surprisal"] for token in tokens)
        assert text["surprisal_uncorrected"] == pytest.approx(total)
        assert sum(word["surprisal_uncorrected"] for word in words) == pytest.approx(total)
        assert sum(word["surprisal"] for word in words) == pytest.approx(text["surprisal"])
        assert text["n_tokens"] == len(tokens) == sum(word["n_tokens"] for word in words)
        assert text["n_words"] == len(words)


def test_tokens_cover_the_text(model: Model) -> None:
    for text, tokens in zip(TEXTS, records(model, TEXTS, by="token"), strict=True):
        scored = model.score(text, bos=True)
        assert [token["token_id"] for token in tokens] == scored.token_ids.tolist()
        assert [token["rank"] for token in tokens] == scored.rank.tolist()
        bits = (scored.nll / math.log(2)).tolist()
        assert [token["surprisal"] for token in tokens] == pytest.approx(bits, rel=1e-5)
        assert tokens[-1]["byte_end"] == len(text.encode())
        assert all(a["byte_end"] == b["byte_start"] for a, b in itertools.pairwise(tokens))


def test_bases_differ_by_a_factor(model: Model) -> None:
    bits, tens = (records(model, TEXTS[:1], base=base)[0] for base in (2, 10))
    for a, b in zip(bits, tens, strict=True):
        for name in ("surprisal", "surprisal_uncorrected", "entropy"):
            assert a[name] / b[name] == pytest.approx(math.log2(10))


def test_without_bos_the_first_word_has_no_surprisal(model: Model) -> None:
    first, *others = records(model, TEXTS[:1], bos=False)[0]
    assert first["surprisal"] is first["surprisal_uncorrected"] is first["entropy"] is None
    assert all(word["surprisal"] is not None for word in others)


def test_texts_do_not_change_each_other(model: Model) -> None:
    together = records(model, TEXTS)
    assert together == [records(model, [text])[0] for text in TEXTS]


def test_a_text_longer_than_the_context_is_scored_in_windows(model: Model, eval_text: str) -> None:
    text = eval_text[:9000]
    (words,) = records(model, [text], context=256, correction="white-space")
    assert len(words) == len(text.split())
    assert all(word["surprisal"] > -1 for word in words)
    scored = model.score(text, bos=True, context=256)
    expected = float(np.nansum(scored.nll)) / math.log(2)
    assert sum(word["surprisal_uncorrected"] for word in words) == pytest.approx(expected, rel=1e-6)


def test_other_white_space_than_one_space_is_noted_once(model: Model) -> None:
    notes: list[str] = []

    class Noting(Reporter):
        def note(self, text: str) -> None:
            notes.append(text)

    for correction, n in (("pimentel-meister", 1), ("oh-schuler", 1), ("white-space", 0)):
        notes.clear()
        with pythia_cli.load("demo", reporter=Noting()) as noting:
            meter = SurprisalMeter(noting, SurprisalOptions(correction=correction))
            meter.measure(["It was", "so"])
            assert notes == []
            meter.measure(["It  was"])
            meter.measure(["It\nwas"])
        assert len(notes) == n


def test_given_spans_are_the_words(model: Model) -> None:
    meter = SurprisalMeter(model, SurprisalOptions())
    (words,) = meter.measure(["New York is"], [[Span(0, 8), Span(9, 11)]])
    assert isinstance(words, list)
    assert [word["word"] for word in words] == ["New York", "is"]
    assert words[0]["n_tokens"] > 1


def test_bad_texts_are_errors_in_their_place(model: Model) -> None:
    meter = SurprisalMeter(model, SurprisalOptions())
    good, empty, surrogate, blank = meter.measure(["It was", "", "\ud800", " \n"])
    assert isinstance(good, list)
    assert isinstance(empty, InputError)
    assert isinstance(surrogate, InputError)
    assert blank == []


@pytest.mark.parametrize(
    "options",
    [{"by": "line"}, {"base": 1}, {"base": "2"}, {"base": math.nan}, {"correction": "none"},
     {"context": 1}, {"stride": 0}],
)  # fmt: skip
def test_impossible_options(model: Model, options: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        SurprisalMeter(model, SurprisalOptions(**options))
