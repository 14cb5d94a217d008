"""Totals, and the figures computed from them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pythia_cli.engine.totals import Totals


def test_figures_follow_their_formulas() -> None:
    nll = np.array([1.0, 2.5, 0.5, 4.0])
    figures = Totals(nll.sum(), (nll**2).sum(), 4, 11, 3).figures()
    assert figures["nll"] == 8.0
    assert (figures["n_tokens"], figures["n_bytes"], figures["n_words"]) == (4, 11, 3)
    assert figures["perplexity"] == pytest.approx(math.exp(2))
    assert figures["bits_per_byte"] == pytest.approx(8 / math.log(2) / 11)
    assert figures["byte_perplexity"] == pytest.approx(math.exp(8 / 11))
    assert figures["word_perplexity"] == pytest.approx(math.exp(8 / 3))
    # The delta method: perplexity times the standard error of the mean nll, as in llama.cpp.
    assert (figures["n_correct"], figures["accuracy"]) == (0, 0.0)
    sem = math.sqrt(((nll**2).mean() - nll.mean() ** 2) / 3)
    assert figures["stderr"] == pytest.approx(math.exp(2) * sem)


def test_undefined_figures_are_none() -> None:
    one = Totals(2.0, 4.0, 1, 0, 0).figures()
    assert one["stderr"] is one["bits_per_byte"] is one["byte_perplexity"] is None
    assert one["word_perplexity"] is None
    assert Totals(3000.0, 9e6, 2, 3, 1).figures()["perplexity"] is None


def test_totals_add_up() -> None:
    total = Totals(1.0, 2.0, 3, 4, 5, 3) + Totals(10.0, 20.0, 30, 40, 50, 8)
    assert total == Totals(11.0, 22.0, 33, 44, 55, 11)
    assert total.accuracy == 11 / 33  # each token has the same weight


def test_empty_totals_have_no_figures() -> None:
    figures = Totals().figures()
    assert {name for name, value in figures.items() if value is None} == {
        "mean_nll", "perplexity", "bits_per_byte", "byte_perplexity", "word_perplexity", "stderr",
        "accuracy",
    }  # fmt: skip
