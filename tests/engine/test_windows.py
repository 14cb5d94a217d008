"""Windows of each protocol, against a second implementation of its definition."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.engine.windows import (
    Window,
    llama_cpp_windows,
    lm_eval_windows,
    stride_windows,
)

Tokens = list[int]
PREFIX = -1

counts = pytest.mark.parametrize("context", [2, 3, 4, 5, 7, 8, 16, 31, 32])
COUNTS = range(100)


def passes(windows: Iterator[Window], sequence: Tokens) -> list[tuple[Tokens, Tokens]]:
    """The tokens run and the tokens scored in each window."""
    return [(sequence[w.begin : w.end - 1], sequence[w.first : w.end]) for w in windows]


# lm-evaluation-harness: lm_eval/utils.py, as its docstrings define it -----------------------------


def rolling_windows(
    tokens: Tokens, prefix: int, max_length: int, context: int
) -> Iterator[tuple[Tokens, Tokens]]:
    """Yield (input, predictions). Each token is predicted once, given at least `context` tokens.

    The first window begins with the prefix. Each next one predicts as many new tokens as possible
    with a context of that length. The last predicts the rest, after as many tokens as fit.
    """
    if not tokens:
        return
    n_first = min(max_length, len(tokens))
    yield [prefix, *tokens[: n_first - 1]], tokens[:n_first]
    n_new, predicted = max_length - context + 1, n_first
    while predicted < len(tokens):
        end = predicted + min(len(tokens) - predicted, n_new)
        yield tokens[end - max_length - 1 : end - 1], tokens[predicted:end]
        predicted = end


def disjoint(window: tuple[Tokens, Tokens]) -> tuple[Tokens, Tokens]:
    """The input without the predicted tokens, and the predictions."""
    inputs, predictions = window
    return inputs[: len(inputs) - (len(predictions) - 1)], predictions


@counts
def test_lm_eval_is_the_harness_rolling_log_likelihood(context: int) -> None:
    for n in COUNTS:
        tokens = list(range(n))
        expected = []
        for before, predictions in map(disjoint, rolling_windows(tokens, PREFIX, context, 1)):
            assert before
            expected.append(([*before, *predictions][:-1], predictions))
        assert passes(lm_eval_windows(n, context), [PREFIX, *tokens]) == expected


# llama.cpp: tools/perplexity ---------------------------------------------------------------------


@counts
def test_llama_cpp_scores_the_second_half_of_each_chunk(context: int) -> None:
    """n_chunk = n / n_ctx. Each chunk uses its logits from n_ctx / 2 on, without the last."""
    for n in COUNTS:
        tokens = list(range(n))
        expected = []
        for chunk in range(n // context):
            inputs = tokens[chunk * context : (chunk + 1) * context]
            targets = [inputs[i + 1] for i in range(context // 2, context - 1)]
            expected.append((inputs[:-1], targets))
        assert passes(llama_cpp_windows(n, context), tokens) == expected


# stride ------------------------------------------------------------------------------------------


@given(n=st.integers(0, 200), context=st.integers(2, 40), data=st.data())
def test_stride_scores_each_token_in_its_first_window(
    n: int, context: int, data: st.DataObject
) -> None:
    stride = data.draw(st.integers(1, context))
    begins = [0]
    while begins[-1] + context < n:
        begins.append(begins[-1] + stride)
    expected = {}
    for token in range(n):
        begin = next(b for b in begins if b <= token < b + context)
        if begin < token:
            expected[token] = begin
    got = [
        (token, window.begin)
        for window in stride_windows(n, context, stride)
        for token in range(window.first, window.end)
    ]
    assert got == list(expected.items())
    for window in stride_windows(n, context, stride):
        assert window.begin < window.first < window.end <= window.begin + context


def test_stride_stops_at_the_window_that_reaches_the_end() -> None:
    assert list(stride_windows(10, 6, 2)) == [Window(0, 1, 6), Window(2, 6, 8), Window(4, 8, 10)]
    assert list(stride_windows(6, 6, 2)) == [Window(0, 1, 6)]


def test_stride_of_a_whole_context_omits_first_tokens() -> None:
    assert list(stride_windows(10, 4, 4)) == [Window(0, 1, 4), Window(4, 5, 8), Window(8, 9, 10)]
    assert list(stride_windows(9, 4, 4)) == [Window(0, 1, 4), Window(4, 5, 8)]
    assert list(stride_windows(1, 4, 4)) == list(stride_windows(0, 4, 4)) == []
