"""Minimal pairs against plain sums of log-probabilities."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import pytest

import pythia_cli
from pythia_cli.errors import InputError, UsageError
from pythia_cli.library.model import Model
from pythia_cli.measures.pairs import MinimalPair, PairMeter, PairTotals

PAIRS = [
    MinimalPair("She was not happy.", "She were not happy."),
    MinimalPair("He had been there.", "He had be there."),
    MinimalPair("It was.", "It was."),
]


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with pythia_cli.load("demo") as opened:
        yield opened


@pytest.mark.parametrize("leading_space", [False, True])
def test_the_sums_behind_the_end_of_text(model: Model, leading_space: bool) -> None:
    records = PairMeter(model, leading_space=leading_space).measure(PAIRS)
    for pair, record in zip(PAIRS, records, strict=True):
        assert isinstance(record, dict)
        for name, text in zip(("good", "bad"), pair, strict=True):
            totals = model.score(" " * leading_space + text, bos=True).totals
            assert record[f"logprob_{name}"] == pytest.approx(-totals.nll, rel=1e-12)
            assert record[f"n_tokens_{name}"] == totals.n_tokens
        difference = record["logprob_good"] - record["logprob_bad"]
        assert record["correct"] == (0.5 if difference == 0 else difference > 0)
    assert records[2]["correct"] == 0.5  # type: ignore[index]


def test_bad_pairs_are_errors_in_their_place(model: Model) -> None:
    long = "word " * model.config.n_ctx
    pairs = [MinimalPair("", "a"), PAIRS[0], MinimalPair("a", long), MinimalPair("a", "\ud800")]
    empty, good, too_long, surrogate = PairMeter(model).measure(pairs)
    assert isinstance(empty, InputError)
    assert isinstance(good, dict)
    assert isinstance(too_long, UsageError)
    n_tokens, n_ctx = len(model.tokenize(long).token_ids), model.config.n_ctx
    assert str(too_long) == (
        f"the bad sentence has {n_tokens} tokens; the model takes {n_ctx} behind <|endoftext|>"
    )
    assert isinstance(surrogate, InputError)


def test_near_ties_are_known_with_a_certificate_only(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert PairMeter(model).measure(PAIRS)[0]["near_tie"] is None  # type: ignore[index]
    for kl, expected in ((0.0, [False, False, True]), (1e3, [True, True, True])):
        monkeypatch.setitem(model.opened.installed.manifest, "certificate", {"kl_mean": kl})
        found = PairMeter(model).measure(PAIRS)
        assert [record["near_tie"] for record in found] == expected  # type: ignore[index]


def test_totals() -> None:
    corrects = [1.0, 0.0, 0.5, 1.0, 1.0]
    totals = PairTotals()
    for correct in corrects:
        totals.add({"correct": correct, "near_tie": correct == 0.5})
    assert totals.figures() == {
        "n": 5,
        "accuracy": pytest.approx(0.7),
        "stderr": pytest.approx(statistics.stdev(corrects) / 5**0.5),
        "n_ties": 1,
        "n_near_ties": 1,
    }
    totals.add({"correct": 1.0, "near_tie": None})
    assert totals.figures()["n_near_ties"] is None


def test_one_pair_has_no_standard_error() -> None:
    totals = PairTotals()
    totals.add({"correct": 1.0, "near_tie": None})
    assert totals.figures()["stderr"] is None
