"""score_logits against its definition."""

from __future__ import annotations

import numpy as np
import pytest

from pythia_cli.engine.scores import score_logits


def test_scores_by_hand() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])).astype(np.float32) + 7
    scores = score_logits(logits, np.array([1, 2]))
    assert scores.nll == pytest.approx([np.log(4), -np.log(0.8)], abs=1e-6)
    entropy = [1.5 * np.log(2), -0.2 * np.log(0.1) - 0.8 * np.log(0.8)]
    assert scores.entropy == pytest.approx(entropy, abs=1e-6)
    assert scores.rank.tolist() == [1, 0]


def test_equal_logits_do_not_count_in_the_rank() -> None:
    assert score_logits(np.zeros((1, 5), np.float32), np.array([3])).rank.tolist() == [0]


def test_large_logits_do_not_overflow() -> None:
    scores = score_logits(np.array([[3e38, -3e38, 0.0]], np.float32), np.array([1]))
    assert scores.nll == pytest.approx(6e38)
    assert scores.entropy == pytest.approx(0)


def test_the_probability_of_a_set_of_tokens() -> None:
    logits = np.log(np.array([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]])).astype(np.float32) + 7
    members = np.array([1, 0, 1], np.float32)
    scores = score_logits(logits, np.array([1, 2]), members)
    assert np.exp(scores.set_logprob) == pytest.approx([0.75, 0.9])
    assert np.isnan(score_logits(logits, np.array([1, 2])).set_logprob).all()
    assert (score_logits(logits, np.array([1, 2]), 0 * members).set_logprob == -np.inf).all()
