"""Windows over a text that is longer than the context: which tokens to run and to score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pythia_cli.engine.checks import is_whole
from pythia_cli.errors import InvalidValue


@dataclass(frozen=True, slots=True)
class Window:
    """One pass: sequence[begin : end - 1] is run, sequence[first:end] is scored."""

    begin: int
    first: int
    end: int


def window_sizes(n_ctx: int, context: int | None, stride: int | None) -> tuple[int, int]:
    """Check context (None: the model's) and stride (None: half of it). Raises InvalidValue."""
    context = n_ctx if context is None else context
    if not (is_whole(context) and 2 <= context <= n_ctx):
        raise InvalidValue("context", context, f"2 to {n_ctx}, the most this model takes")
    stride = max(1, context // 2) if stride is None else stride
    if not (is_whole(stride) and 1 <= stride <= context):
        raise InvalidValue("stride", stride, f"1 to the context of {context}")
    return context, stride


def stride_windows(n: int, context: int, stride: int) -> Iterator[Window]:
    """Windows of `context` tokens, each `stride` tokens after the previous one.

    A token is scored only in the first window that contains it, given the tokens before it there.
    It is not scored if it is the first token of that window.
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
    """Disjoint chunks. The last context - context//2 - 1 tokens of each are scored.

    Tokens after the last complete chunk are ignored. As in llama.cpp's llama-perplexity.
    """
    for begin in range(0, n - context + 1, context):
        yield Window(begin, begin + context // 2 + 1, begin + context)


def lm_eval_windows(n: int, context: int) -> Iterator[Window]:
    """Rolling log-likelihood over n tokens after one prefix token, which has index 0.

    As get_rolling_token_windows of lm-evaluation-harness with a context of one: `context` tokens
    are scored in each window. The last window scores fewer, and is filled up with tokens before
    them.
    """
    for scored_to in range(0, n, context):
        end = min(scored_to + context, n)
        yield Window(max(0, end - context), scored_to + 1, end + 1)
