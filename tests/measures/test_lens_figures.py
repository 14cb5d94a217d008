"""Figures of logits against their definitions, in plain float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.errors import IntegrityError
from pythia_cli.measures.lens_figures import (
    LensFigures,
    distributions,
    empty_figures,
    largest_first,
    write_figures,
)

Array = np.ndarray[Any, Any]


def random_logits(m: int, d_vocab: int, seed: int = 0) -> Array:
    values = np.random.default_rng(seed).standard_normal((m, d_vocab)) * 4
    return values.astype(np.float32)


def log_softmax(logits: Array) -> Array:
    z = logits.astype(np.float64)
    largest = z.max(axis=1, keepdims=True)
    result: Array = z - largest - np.log(np.exp(z - largest).sum(axis=1, keepdims=True))
    return result


def figures(logits: Array, targets: Array, model: Array | None, n_top: int = 3) -> LensFigures:
    out = empty_figures((len(logits),), n_top)
    write_figures(logits, targets, None if model is None else distributions(model), out)
    return out


@pytest.mark.parametrize("m", [1, 7, 8, 21])
def test_definitions(m: int) -> None:
    logits, model = random_logits(m, 301), random_logits(m, 301, seed=1)
    targets = np.random.default_rng(2).integers(0, 301, m)
    found = figures(logits, targets, model)
    q, p = log_softmax(logits), log_softmax(model)
    rows = np.arange(m)
    np.testing.assert_allclose(found.nll, -q[rows, targets], rtol=1e-12)
    np.testing.assert_allclose(found.entropy, -(np.exp(q) * q).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.kl, (np.exp(p) * (p - q)).sum(axis=1), rtol=1e-10)
    order = np.argsort(-logits, axis=1, kind="stable")
    assert np.array_equal(found.rank, np.argmax(order == targets[:, None], axis=1))
    assert np.array_equal(found.top_ids, order[:, :3])
    np.testing.assert_allclose(found.top_probs, np.exp(np.take_along_axis(q, order[:, :3], 1)))


def test_a_row_does_not_depend_on_the_others() -> None:
    logits, model = random_logits(19, 200), random_logits(19, 200, seed=1)
    targets = np.arange(19)
    together = figures(logits, targets, model)
    for i in (0, 7, 8, 18):
        part = slice(i, i + 1)
        alone = figures(logits[part], targets[part], model[part])
        for one, many in zip(alone, together, strict=True):
            assert np.array_equal(one[0], many[i])


def test_without_a_target() -> None:
    found = figures(random_logits(2, 90), np.array([-1, 3]), None)
    assert np.isnan(found.nll).tolist() == [True, False]
    assert found.rank[0] == -1 < found.rank[1]
    assert np.isfinite(found.entropy).all()


def test_the_model_itself_has_no_kl() -> None:
    logits = random_logits(9, 500)
    assert not figures(logits, np.full(9, -1), None).kl.any()
    # Compared with itself as with any other, it is 0 but for rounding, and never below.
    kl = figures(logits, np.full(9, -1), logits).kl
    assert 0 <= kl.min() <= kl.max() < 1e-13


def test_logits_far_apart() -> None:
    """Probabilities below what float64 holds take no part, and nothing overflows."""
    logits = np.array([[0, -2000, 3000], [0, 0, 0]], np.float32)
    model = np.array([[0, 0, 0], [0, -2000, 3000]], np.float32)
    found = figures(logits, np.array([1, 1]), model)
    assert found.nll.tolist() == pytest.approx([5000, np.log(3)])
    assert found.kl.tolist() == pytest.approx([8000 / 3 - np.log(3), np.log(3)])
    assert found.entropy.tolist() == pytest.approx([0, np.log(3)])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_no_model_gives(value: float) -> None:
    logits = random_logits(3, 90)
    logits[1, 5] = value
    with pytest.raises(IntegrityError, match="damaged"):
        figures(logits, np.zeros(3, int), None)
    with pytest.raises(IntegrityError, match="damaged"):
        distributions(logits)


@given(
    values=st.lists(st.integers(-3, 3), min_size=1, max_size=400),
    n=st.integers(1, 400),
)
def test_the_largest_first_and_of_equal_ones_the_lower_id(values: list[int], n: int) -> None:
    n = min(n, len(values))
    logits = np.array(values, np.float32)
    assert largest_first(logits, n).tolist() == np.argsort(-logits, kind="stable")[:n].tolist()
