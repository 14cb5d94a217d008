"""Two threads on one model: the second is refused, and no figure is wrong."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import zip_longest
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.engine.generate import GenerateOptions
from pythia_cli.engine.sampling import SamplingOptions
from pythia_cli.errors import UsageError
from pythia_cli.library.model import Model
from tests.system.test_one_thread import elsewhere

PROMPTS = ["It was not", "She looked at him and", "He had"]


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with pythia_cli.load("demo", n_threads=1) as opened:
        yield opened


CALLS: dict[str, Callable[[Model, str], Any]] = {
    "score": lambda model, text: model.score(text).nll,
    "packed": lambda model, text: model.score_batch([text, text[::-1], "a"])[0].nll,
    "logits": lambda model, text: model.logits(text[:400]),
    "perplexity": lambda model, text: pythia_cli.perplexity(model, text).perplexity,
    "generate": lambda model, text: model.generate(text[:40], max_tokens=20, seed=1).text,
    "parts": lambda model, text: model.transformer.embed(model.tokenize(text[:400]).token_ids),
}


@pytest.mark.parametrize("name", CALLS)
def test_no_wrong_results_in_two_threads(model: Model, eval_text: str, name: str) -> None:
    call = CALLS[name]
    texts = [eval_text[:3000], eval_text[5000:8000]]
    expected = [call(model, text) for text in texts]
    begin = threading.Barrier(2)

    def use(i: int) -> tuple[int, list[str]]:
        begin.wait(60)
        n_right, refused = 0, []
        for _ in range(20):
            try:
                np.testing.assert_array_equal(call(model, texts[i]), expected[i])
                n_right += 1
            except UsageError as error:
                refused.append(str(error))
        return n_right, refused

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(use, range(2)))
    assert sum(n_right for n_right, _ in found) > 0
    assert all("in use by another thread" in line for _, refused in found for line in refused)
    np.testing.assert_array_equal(call(model, texts[0]), expected[0])


def test_a_refused_call_changes_no_buffer(model: Model) -> None:
    transformer = model.transformer
    cache, ids = transformer.new_cache(64), model.tokenize("It was not").token_ids
    expected = transformer.prefill(ids, cache).copy()
    cache.truncate(0)
    with transformer.one_thread:
        logits = transformer.prefill(ids, cache)
        for n in (2, 3, 16):
            with pytest.raises(UsageError):
                elsewhere(
                    partial(transformer.decode_together, [5] * n, transformer.new_caches(4, n))
                )
        np.testing.assert_array_equal(logits, expected)
        assert np.shares_memory(logits, transformer._logits)


def test_streams_of_one_thread_may_take_turns(model: Model) -> None:
    greedy = GenerateOptions(max_tokens=12, sampling=SamplingOptions(temperature=0), seed=0)
    alone = [list(model.stream([prompt], greedy))[:-1] for prompt in PROMPTS]
    streams = [model.stream([prompt], greedy) for prompt in PROMPTS]
    turns = list(zip_longest(*streams))
    found = [[event for event in events if event] for events in zip(*turns, strict=True)]
    assert [events[:-1] for events in found] == alone


def test_a_stream_that_waits_keeps_nobody_out(model: Model) -> None:
    stream = model.stream(["It was"], GenerateOptions(max_tokens=50, seed=0))
    next(stream)
    assert elsewhere(lambda: model.score("It was not").rank.tolist()) == [-1, 0, 3]
    assert len(list(stream)) > 1


def test_another_thread_may_use_it_after_an_interrupt(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: Any, **how: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(model.transformer.forward._team, "run", interrupt)
        for call in (model.score, model.logits, model.generate):
            with pytest.raises(KeyboardInterrupt):
                call("It was not")
    assert elsewhere(lambda: model.score("It was not").rank.tolist()) == [-1, 0, 3]
