"""Plans of large texts: scored in blocks, and totals that need no memory for each token."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.engine import scorer
from pythia_cli.engine.scorer import score_plans, total_plans
from pythia_cli.engine.scores import Scores
from pythia_cli.engine.targets import NO_TARGET, TargetedText
from pythia_cli.engine.totals import ExactSum
from pythia_cli.errors import IntegrityError
from pythia_cli.measures.protocols import Protocol
from pythia_cli.reporting import NO_TASK, Task
from pythia_cli.text.encoded import Encoded
from pythia_cli.text.tokenizer import PythiaTokenizer

PROTOCOLS = [
    Protocol("stride", 16, 8, False),
    Protocol("stride", 16, 16, False),
    Protocol("stride", 7, 3, True),
    Protocol("llama.cpp", 16, 16, True),
    Protocol("lm-eval", 16, 16, True),
    Protocol("document", 16, 8, True),
]
protocols = pytest.mark.parametrize("protocol", PROTOCOLS, ids=lambda p: f"{p.name}-{p.stride}")


class Drawn:
    """A scorer of random scores, which depend on the tokens alone. Notes the sizes of its calls."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def score(
        self, texts: Sequence[TargetedText], task: Task, members: np.ndarray | None = None
    ) -> list[Scores]:
        self.sizes.append(sum(len(text.token_ids) for text in texts))
        found = []
        for token_ids, targets in texts:
            generator = np.random.default_rng([len(token_ids), *token_ids])
            n = int((targets != NO_TARGET).sum())
            nll = generator.gamma(0.1, 30, n)
            scores = Scores(nll, generator.random(n), generator.integers(0, 9, n), -nll)
            found.append(scores)
        return found

    def logits(self, token_ids: np.ndarray) -> np.ndarray:
        raise NotImplementedError


def texts_of(eval_text: str) -> list[str]:
    return [
        eval_text[:3000],
        "caf\u00e9 e\u0301 \U0001f469\n next\n line",
        "",
        "One",
        eval_text[-200:],
    ]


@protocols
def test_totals_are_those_of_the_scored_texts(
    protocol: Protocol, eval_text: str, demo_tokenizer: PythiaTokenizer
) -> None:
    plans = [protocol._plan_one(text, demo_tokenizer) for text in texts_of(eval_text)]
    scored = score_plans(plans, Drawn(), NO_TASK)
    totals = list(total_plans(plans, Drawn(), NO_TASK))
    assert totals == [text.totals for text in scored]
    assert sum(total.n_tokens for total in totals) > 10


@protocols
def test_blocks_do_not_change_the_scores(
    protocol: Protocol, eval_text: str, demo_tokenizer: PythiaTokenizer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    plans = [protocol._plan_one(text, demo_tokenizer) for text in texts_of(eval_text)]
    at_once, in_blocks = Drawn(), Drawn()
    expected = score_plans(plans, at_once, NO_TASK)
    monkeypatch.setattr(scorer, "_MOST_TOKENS", 40)
    found = score_plans(plans, in_blocks, NO_TASK)
    assert len(at_once.sizes) == 1 < len(in_blocks.sizes)
    assert max(in_blocks.sizes) <= 40
    assert sum(in_blocks.sizes) == sum(at_once.sizes)
    for one, other in zip(found, expected, strict=True):
        for column in ("token_ids", "n_bytes", "nll", "entropy", "rank"):
            np.testing.assert_array_equal(getattr(one, column), getattr(other, column))


def test_totals_of_what_is_no_number_are_refused(demo_tokenizer: PythiaTokenizer) -> None:
    class Broken(Drawn):
        def score(
            self, texts: Sequence[TargetedText], task: Task, members: np.ndarray | None = None
        ) -> list[Scores]:
            return [one._replace(nll=one.nll * np.nan) for one in super().score(texts, task)]

    plan = PROTOCOLS[0]._plan_one("It was not a small one.", demo_tokenizer)
    with pytest.raises(IntegrityError, match="NaN"):
        list(total_plans([plan], Broken(), NO_TASK))


@given(
    parts=st.lists(st.lists(st.floats(-1e100, 1e100), max_size=8), max_size=8),
)
def test_an_exact_sum_is_that_of_fsum(parts: list[list[float]]) -> None:
    exact = ExactSum()
    for part in parts:
        exact.add(np.array(part, np.float64))
    assert exact.value() == math.fsum(value for part in parts for value in part)


def test_encoded_keeps_little_and_gives_int64() -> None:
    encoded = Encoded(np.array([50277, 3, 0]), np.array([1, 24, 0]))
    assert (encoded._ids.dtype, encoded._n_bytes.dtype) == (np.uint16, np.uint8)
    assert encoded.token_ids.dtype == encoded.n_bytes.dtype == np.int64
    both = Encoded.joined([encoded, Encoded(np.array([70_000]), np.array([300]))])
    assert both.token_ids.tolist() == [50277, 3, 0, 70_000]
    assert both.n_bytes.tolist() == [1, 24, 0, 300]
    assert both.ids(1, 3).tolist() == [3, 0]
    assert both.bytes_between(1, 4) == 324
    assert (len(both), repr(both)) == (4, "Encoded(4 tokens, 325 bytes)")
