"""Windows over a text that is longer than the context: what is run, and which tail is scored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pythia_cli.errors import InvalidValue


@dataclass(frozen=True)
class Window:
    """One pass: sequence[begin : end - 1] is run, sequence[first:end] is scored."""

    begin: int
    first: int
    end: int


def window_sizes(n_ctx: int, context: int | None, stride: int | None) -> tuple[int, int]:
    """Context and stride, the model's context and half of it where None. Raises InvalidValue."""
    context = n_ctx if context is None else context
    if not 2 <= context <= n_ctx:
        raise InvalidValue("context", context, f"2 to {n_ctx}, the most this model takes")
    stride = max(1, context // 2) if stride is None else stride
    if not 1 <= stride <= context:
        raise InvalidValue("stride", stride, f"1 to the context of {context}")
    return context, stride


def stride_windows(n: int, context: int, stride: int) -> Iterator[Window]:
    """Windows of `context`, moved on by `stride`; each of n tokens is scored once.

    It is scored in the first window that holds it, given what precedes it there; the first of a
    window has nothing before it and is not scored.
    """
    scored_to = 0
    for begin in range(0, n, stride):
        end = min(begin + context, n)
        first = max(scored_to, begin + 1)
        if first < end:
            yield Window(begin, first, end)
        scored_to = end
        if end == n:
            return


def llama_cpp_windows(n: int, context: int) -> Iterator[Window]:
    """Disjoint chunks; the last context - context//2 - 1 tokens of each are scored, no tail.

    As llama.cpp's llama-perplexity does.
    """
    for begin in range(0, n - context + 1, context):
        yield Window(begin, begin + context // 2 + 1, begin + context)


def lm_eval_windows(n: int, context: int) -> Iterator[Window]:
    """Rolling log-likelihood over n tokens behind one prefix token (the sequence's index 0).

    As lm-evaluation-harness' get_rolling_token_windows with a context of one: disjoint stretches
    of `context` predictions; the last, shorter one sees as much before it as the model takes.
    """
    for scored_to in range(0, n, context):
        end = min(scored_to + context, n)
        yield Window(max(0, end - context), scored_to + 1, end + 1)
