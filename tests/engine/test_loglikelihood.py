"""log p(continuation | context): the boundary, and the sum against a plain computation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.engine.loglikelihood import TokenPair, encode_pair, loglikelihoods
from pythia_cli.engine.scores import Scores
from pythia_cli.engine.targets import TargetedText
from pythia_cli.errors import IntegrityError, InvalidValue, UsageError
from pythia_cli.library.model import Model
from pythia_cli.reporting import Task
from pythia_cli.text.tokenizer import PythiaTokenizer


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with pythia_cli.load("demo", step=3000) as opened:
        yield opened


@pytest.mark.parametrize(
    ("context", "continuation", "before", "after"),
    [
        ("It was", " not", "It was", " not"),
        ("It was ", "not", "It was", " not"),
        ("It was \n", "not", "It was", " \nnot"),
        ("", "It was", "<|endoftext|>", "It was"),
        ("  ", "It was", "<|endoftext|>", "  It was"),
        ("It was", "", "It was", ""),
    ],
)
def test_the_boundary_is_that_of_lm_eval(
    neox_tokenizer: PythiaTokenizer, context: str, continuation: str, before: str, after: str
) -> None:
    pair = encode_pair(neox_tokenizer, context, continuation)
    texts = [b"".join(map(neox_tokenizer.token_bytes, ids.tolist())).decode() for ids in pair]
    assert texts == [before, after]


def test_tokens_of_the_whole_text_are_used(neox_tokenizer: PythiaTokenizer) -> None:
    """Where the boundary is within a token, the continuation is what the context alone lacks."""
    context, continuation = "The univers", "ally"
    pair = encode_pair(neox_tokenizer, context, continuation)
    whole = neox_tokenizer.encode(context + continuation)
    np.testing.assert_array_equal(pair.continuation, whole[len(pair.context) :])


@pytest.mark.parametrize(
    ("context", "continuation"), [("She looked at him and", " said nothing."), ("", "It was not")]
)
def test_it_is_the_sum_of_the_tokens(model: Model, context: str, continuation: str) -> None:
    pair = encode_pair(model.tokenizer, context, continuation)
    ids = np.concatenate(pair)
    z = model.logits(ids[:-1]).astype(np.float64)[len(pair.context) - 1 :]
    log_p = z - z.max(axis=1, keepdims=True)
    log_p -= np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    expected = log_p[np.arange(len(pair.continuation)), pair.continuation].sum()
    found = model.loglikelihood(context, continuation)
    assert found.logprob == pytest.approx(expected, rel=1e-6)
    assert found.n_tokens == len(pair.continuation)
    assert found.is_greedy == bool((z.argmax(axis=1) == pair.continuation).all())
    assert found.to_dict()["logprob"] == found.logprob


def test_greedy_text_is_greedy(model: Model) -> None:
    text = model.generate("She looked at him and", max_tokens=5, temperature=0).text
    assert model.loglikelihood("She looked at him and", text).is_greedy
    assert not model.loglikelihood("She looked at him and", " zebra").is_greedy


def test_nothing_is_certain(model: Model) -> None:
    nothing = model.loglikelihood("It was", "")
    assert (nothing.logprob, nothing.n_tokens, nothing.is_greedy) == (0.0, 0, True)


def test_what_does_not_fit_is_refused(model: Model) -> None:
    with pytest.raises(UsageError, match="tokens; the model takes 513"):
        model.loglikelihood("a " * 600, "b")


@pytest.mark.parametrize("text", [5, None, b"bytes"])
def test_what_is_no_text(model: Model, text: Any) -> None:
    with pytest.raises(InvalidValue, match="context"):
        model.loglikelihood(text, "a")
    with pytest.raises(InvalidValue, match="continuation"):
        model.loglikelihood("a", text)


def test_a_damaged_model_has_no_likelihood() -> None:
    """Its NaN would be a wrong choice without a word."""

    class Broken:
        def score(
            self, texts: Sequence[TargetedText], task: Task, members: np.ndarray | None = None
        ) -> list[Scores]:
            return [Scores(*map(np.array, ([np.nan], [1.0], [0], [np.nan]))) for _ in texts]

        def logits(self, token_ids: np.ndarray) -> np.ndarray:
            raise NotImplementedError

    pair = TokenPair(np.array([1]), np.array([2]))
    with pytest.raises(IntegrityError, match="NaN"):
        loglikelihoods(Broken(), [pair, pair])
