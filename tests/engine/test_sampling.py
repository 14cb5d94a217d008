"""Every filter against a plain implementation, in the documented order; ties, padding, seeds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.engine.sampling import Sampler, SamplingOptions
from pythia_cli.errors import PythiaError, UsageError

Array = np.ndarray[Any, Any]


def distribution(logits: Array, options: SamplingOptions, n_tokens: int, seen: list[int]) -> Array:
    """The probabilities to draw from, float64 [n_tokens], by the steps of SamplingOptions."""
    z = logits.astype(np.float64)
    r = float(np.float32(options.repetition_penalty))
    for i in set(seen):
        z[i] = z[i] / r if z[i] > 0 else z[i] * r
    if options.temperature == 0:
        return np.eye(n_tokens)[int(np.argmax(z[:n_tokens]))]
    z = z / options.temperature
    p = np.exp(z - z.max())
    p = (p / p.sum())[:n_tokens]
    order = sorted(range(n_tokens), key=lambda i: (-p[i], i))
    whole = 1.0
    if 0 < options.top_k < n_tokens:
        order = order[: options.top_k]
        whole = p[order].sum()
    if options.top_p < 1:
        kept, held = [], 0.0
        for i in order:
            if kept and held >= options.top_p * whole * (1 - 1e-9):
                break
            kept.append(i)
            held += p[i]
        order = kept
    if options.min_p > 0:
        order = [i for i in order if p[i] >= options.min_p * p[order[0]]]
    left = np.zeros(n_tokens)
    left[order] = p[order]
    return left / left.sum()


class Fractions:
    """A random generator whose `random()` returns given values."""

    def __init__(self, fractions: list[float]) -> None:
        self.fractions = iter(fractions)

    def random(self) -> float:
        return next(self.fractions)


def draw(
    logits: Array, options: SamplingOptions, n_tokens: int, fractions: list[float], seen: list[int]
) -> list[int]:
    generator: Any = Fractions(fractions)
    sampler = Sampler(options, n_tokens, generator)
    return [sampler.sample(logits, seen) for _ in fractions]


def assert_draws_as(
    logits: Array,
    options: SamplingOptions,
    n_tokens: int | None = None,
    seen: list[int] = [],  # noqa: B006
) -> None:
    """At evenly spaced fractions, each token is drawn in proportion to its probability."""
    n_tokens = len(logits) if n_tokens is None else n_tokens
    p = distribution(logits, options, n_tokens, seen)
    fractions = ((np.arange(200) + 0.5) / 200).tolist()
    got = draw(logits, options, n_tokens, fractions, seen)
    reached = np.cumsum(p)
    for fraction, token_id in zip(fractions, got, strict=True):
        assert p[token_id] > 0
        below = reached[token_id] - p[token_id]
        assert below - 1e-5 <= fraction <= reached[token_id] + 1e-5


few_logits = st.lists(st.sampled_from([-30.0, -2.0, -0.5, 0.0, 0.5, 1.0, 3.0]), min_size=2).map(
    lambda values: np.array(values, np.float32)
)
some_options = st.builds(
    SamplingOptions,
    temperature=st.sampled_from([0.0, 0.3, 1.0, 2.5]),
    top_k=st.integers(0, 12),
    top_p=st.sampled_from([0.01, 0.3, 0.5, 0.77, 0.9, 0.999, 1.0]),
    min_p=st.sampled_from([0.0, 0.05, 0.3, 1.0]),
    repetition_penalty=st.sampled_from([0.5, 1.0, 1.3, 4.0]),
)


@given(logits=few_logits, options=some_options, data=st.data())
def test_any_options_draw_as_the_plain_implementation(
    logits: Array, options: SamplingOptions, data: st.DataObject
) -> None:
    """Logits with many ties, tokens seen before, and a vocabulary that may be padded."""
    n_tokens = data.draw(st.integers(1, len(logits)))
    seen = data.draw(st.lists(st.integers(0, n_tokens - 1), max_size=5))
    assert_draws_as(logits, options, n_tokens, seen)


@pytest.mark.parametrize("top_p", [0.02, 0.5, 0.95, 0.9999, 1.0])
@pytest.mark.parametrize("top_k", [0, 1, 1023, 1024, 1025, 2999])
@pytest.mark.parametrize("spread", [0.01, 1.0, 6.0])
def test_a_large_vocabulary_draws_as_the_plain_implementation(
    top_p: float, top_k: int, spread: float
) -> None:
    logits = (np.random.default_rng(0).standard_normal(3000) * spread).astype(np.float32)
    assert_draws_as(logits, SamplingOptions(top_p=top_p, top_k=top_k), 2990)


def allowed(logits: Any, n_tokens: int | None = None, **options: Any) -> set[int]:
    """All tokens that can be drawn, found by a fine sweep of fractions."""
    logits = np.array(logits, np.float32)
    fractions = np.linspace(0, 1, 1000, endpoint=False).tolist()
    return set(draw(logits, SamplingOptions(**options), n_tokens or len(logits), fractions, []))


P = np.log([0.4, 0.3, 0.2, 0.1])


def test_filters_one_by_one() -> None:
    assert allowed(P) == {0, 1, 2, 3}
    assert allowed(P, top_k=2) == {0, 1}
    assert allowed(P, top_k=9) == {0, 1, 2, 3}
    assert allowed(P, top_p=0.39) == {0}
    assert allowed(P, top_p=0.41) == {0, 1}
    assert allowed(P, top_p=0.95) == {0, 1, 2, 3}
    assert allowed(P, min_p=0.6) == {0, 1}
    assert allowed(P, min_p=0.26) == {0, 1, 2}
    assert allowed(P, min_p=1.0) == {0}


def test_top_p_is_a_share_of_what_top_k_keeps() -> None:
    """0.4 is 0.571 of 0.4 + 0.3."""
    assert allowed(P, top_k=2, top_p=0.57) == {0}
    assert allowed(P, top_k=2, top_p=0.58) == {0, 1}
    assert allowed(P, top_p=0.57) == {0, 1}


def test_a_top_k_that_keeps_all_is_no_filter() -> None:
    """The total for top_p then still includes the padding, 0.5."""
    logits = np.log([0.25, 0.15, 0.1, 0.5])
    assert allowed(logits, n_tokens=3, top_k=3, top_p=0.41) == {0, 1, 2}
    assert allowed(logits, n_tokens=3, top_k=2, top_p=0.41) == {0}


def test_temperature_comes_before_the_filters() -> None:
    """At temperature 1/2 the probabilities are 0.53, 0.3, 0.13, 0.03."""
    assert allowed(P, temperature=0.5, top_p=0.5) == {0}
    assert allowed(P, temperature=0.5, min_p=0.5) == {0, 1}


def test_the_penalty_comes_before_temperature() -> None:
    logits = np.array([2.0, 1.9, -1.0], np.float32)
    greedy = SamplingOptions(temperature=0, repetition_penalty=1.5)
    assert draw(logits, greedy, 3, [0.5], [0, 0, 0]) == [1]
    assert draw(logits, greedy, 3, [0.5], [0, 1]) == [0]
    assert draw(logits, greedy, 3, [0.5], []) == [0]


def test_a_penalty_pushes_negative_logits_down() -> None:
    logits = np.array([-1.0, -1.2, -9.0], np.float32)
    greedy = SamplingOptions(temperature=0, repetition_penalty=1.5)
    assert draw(logits, greedy, 3, [0.5], [0]) == [1]


def test_a_penalty_below_one_rewards() -> None:
    logits = np.array([1.0, 0.9], np.float32)
    assert draw(logits, SamplingOptions(temperature=0, repetition_penalty=0.5), 2, [0], [1]) == [1]


def test_the_logits_are_not_modified() -> None:
    logits = np.array([1.0, 0.9, 0.3], np.float32)
    before = logits.copy()
    options = SamplingOptions(0.7, 2, 0.9, 0.1, 1.3)
    draw(logits, options, 3, [0.1, 0.9], [0, 1])
    np.testing.assert_array_equal(logits, before)


def test_of_equal_logits_the_lower_id_is_kept() -> None:
    assert allowed([0, 0, 0, 0], top_k=2) == {0, 1}
    assert allowed([0, 1, 0, 1], top_k=3) == {0, 1, 3}
    assert allowed([0, 0, 0, 0], top_p=0.5) == {0, 1}
    assert allowed([0, 0, 0, 0], top_p=0.51) == {0, 1, 2}
    assert allowed([0, 0, 0, 0], min_p=1.0) == {0, 1, 2, 3}
    assert allowed([1, 3, 3, 3], temperature=0) == {1}


def test_padded_ids_are_never_drawn() -> None:
    logits = [0.0, 1.0, 9.0, 9.0]
    assert allowed(logits, n_tokens=2) == {0, 1}
    assert allowed(logits, n_tokens=2, temperature=0) == {1}
    assert allowed(logits, n_tokens=2, top_k=1) == {1}
    assert allowed(logits, n_tokens=2, min_p=0.9) == {1}


def test_padded_ids_count_in_the_total() -> None:
    """The padding has 0.5, so no real token has 0.3, and all of them together less than 0.6."""
    logits = np.log([0.25, 0.15, 0.1, 0.5])
    assert allowed(logits, n_tokens=3, top_p=0.24) == {0}
    assert allowed(logits, n_tokens=3, top_p=0.3) == {0, 1}
    assert allowed(logits, n_tokens=3, top_p=0.6) == {0, 1, 2}


@pytest.mark.parametrize("options", [{}, {"top_k": 2}, {"top_p": 0.5}, {"min_p": 0.1}])
def test_likely_padding_does_not_change_the_other_proportions(
    options: dict[str, Any],
) -> None:
    """As in untrained models: at a low temperature, padding may have almost all probability."""
    logits = [-5.0, 0.0, -9.0, 1.0]
    assert allowed(logits, n_tokens=3, temperature=0.01, **options) == {1}


def test_a_zero_temperature_is_greedy_and_draws_nothing() -> None:
    assert draw(np.array([1.0, 3.0, 2.0], np.float32), SamplingOptions(0.0), 3, [0.999], []) == [1]


@pytest.mark.parametrize("temperature", [5e-324, 1e-310, 1e-40, 1e-3])
def test_a_temperature_near_zero_is_near_greedy(temperature: float) -> None:
    assert allowed([1.0, 3.0, 2.0, -4.0], temperature=temperature) == {1}


def test_a_huge_temperature_is_even() -> None:
    logits = np.array([10.0, -10.0, 0.0, 5.0], np.float32)
    assert_draws_as(logits, SamplingOptions(temperature=1e300))
    assert allowed(logits, temperature=1e300) == {0, 1, 2, 3}


@pytest.mark.parametrize("damage", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_logits_that_are_not_finite_are_an_error(damage: float, temperature: float) -> None:
    sampler = Sampler(SamplingOptions(temperature), 3, np.random.default_rng(0))
    with pytest.raises(PythiaError, match="not finite"):
        sampler.sample(np.array([0.0, damage, 1.0], np.float32), [])


def test_the_same_generator_draws_the_same() -> None:
    logits = np.random.default_rng(1).standard_normal(500).astype(np.float32)

    def drawn(seed: int) -> list[int]:
        sampler = Sampler(SamplingOptions(), 500, np.random.default_rng(seed))
        return [sampler.sample(logits, []) for _ in range(30)]

    assert drawn(3) == drawn(3) != drawn(4)


@pytest.mark.parametrize(
    "options",
    [SamplingOptions(0), SamplingOptions(), SamplingOptions(top_k=2), SamplingOptions(top_p=0.9)],
)
def test_ids_without_a_token_are_never_drawn(options: SamplingOptions) -> None:
    logits = np.array([5.0, 4.0, 9.0, 3.0], np.float32)
    sampler = Sampler(options, 4, np.random.default_rng(0), np.array([2]))
    drawn = {sampler.sample(logits, []) for _ in range(200)}
    assert 2 not in drawn
    assert 0 in drawn
    assert logits[2] == 9


def test_frequencies_match_the_probabilities() -> None:
    p = np.array([0.5, 0.3, 0.15, 0.05])
    sampler = Sampler(SamplingOptions(), 4, np.random.default_rng(0))
    logits, n = np.log(p).astype(np.float32), 4000
    counts = np.bincount([sampler.sample(logits, []) for _ in range(n)], minlength=4)
    assert (np.abs(counts - n * p) < 5 * np.sqrt(n * p * (1 - p))).all()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("temperature", -0.1), ("temperature", math.inf), ("temperature", math.nan),
        ("top_k", -1), ("top_p", 0.0), ("top_p", 1.01), ("top_p", math.nan),
        ("min_p", -0.01), ("min_p", 1.01), ("min_p", math.nan),
        ("repetition_penalty", 0.0), ("repetition_penalty", -1.0),
        ("repetition_penalty", math.inf), ("repetition_penalty", math.nan),
    ],
)  # fmt: skip
def test_options_out_of_range_are_refused_by_name(option: str, value: float) -> None:
    with pytest.raises(UsageError, match=f"{option} is {value}"):
        SamplingOptions(**{option: value})
