"""Texts scored in shared passes: the bits of each alone, whatever their lengths and their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pythia_cli.checkpoints.int8_file import Int8File
from pythia_cli.engine import packing
from pythia_cli.engine.forward_pass import CHUNK
from pythia_cli.engine.kv_cache import KVCache
from pythia_cli.engine.packing import TargetedText, score_packed
from pythia_cli.engine.scores import Scores
from pythia_cli.engine.transformer import NO_TARGET, Transformer
from pythia_cli.errors import UsageError
from pythia_cli.reporting import Reporter, Task


@pytest.fixture(scope="module")
def models(demo_int8: Int8File) -> Iterator[Callable[[int], Transformer]]:
    """models(n_threads)."""
    opened = {n: Transformer(demo_int8, n) for n in (1, 2, 3)}
    yield lambda n_threads: opened[n_threads]
    for model in opened.values():
        model.close()


def drawn(lengths: list[int], seed: int = 0) -> list[TargetedText]:
    """Texts of these lengths, of which a fifth of the tokens are not scored."""
    rng = np.random.default_rng(seed)
    texts = []
    for n in lengths:
        token_ids, targets = rng.integers(0, 4078, (2, n))
        texts.append(TargetedText(token_ids, np.where(rng.random(n) < 0.2, NO_TARGET, targets)))
    return texts


def alone(model: Transformer, text: TargetedText) -> Scores:
    return model.score(text.token_ids, text.targets, model.new_cache())


def assert_same(found: list[Scores], expected: list[Scores]) -> None:
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert [a.tobytes() for a in one] == [a.tobytes() for a in other]


LENGTHS = [1, 1, 2, 8, 9, 15, 16, 17, 17, 31, 33, 64, 100, 128, 255, 256, 257, 300, 512]


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_each_text_has_the_bits_that_it_has_alone(models: Any, n_threads: int) -> None:
    texts = drawn(LENGTHS)
    expected = [alone(models(1), text) for text in texts]
    order = np.random.default_rng(n_threads).permutation(len(texts)).tolist()
    assert_same(
        score_packed(models(n_threads), [texts[i] for i in order]), [expected[i] for i in order]
    )


@settings(max_examples=12)
@given(lengths=st.lists(st.integers(1, 40), max_size=40), seed=st.integers(0, 99))
def test_so_it_is_for_any_short_texts(models: Any, lengths: list[int], seed: int) -> None:
    texts = drawn(lengths, seed)
    assert_same(score_packed(models(2), texts), [alone(models(2), text) for text in texts])


def test_a_text_without_targets_has_no_scores(models: Any) -> None:
    texts = [TargetedText(np.arange(5), np.full(5, NO_TARGET)), *drawn([4])]
    nothing, some = score_packed(models(1), texts)
    assert [len(values) for values in nothing] == [0, 0, 0]
    assert_same([some], [alone(models(1), texts[1])])


def test_no_texts_have_no_scores(models: Any) -> None:
    assert score_packed(models(1), []) == []


BAD = {
    "empty": ([], [], "no tokens"),
    "an unknown token": ([1, 4096], [1, 1], "0 to 4095"),
    "an unknown target": ([1, 1], [1, -2], "0 to 4095"),
    "too few targets": ([1, 2, 3], [1, 2], "3 tokens has 2 targets"),
    "too long": ([1] * 513, [1] * 513, "context of 512"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_text_is_refused_before_anything_is_run(
    models: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_ids, targets, message = BAD[name]
    monkeypatch.setattr(Transformer, "score_together", None)
    bad = TargetedText(np.array(token_ids, np.int64), np.array(targets, np.int64))
    with pytest.raises(UsageError, match=message):
        score_packed(models(1), [*drawn([3]), bad])


@given(lengths=st.lists(st.integers(1, 600), max_size=200))
def test_a_pass_stays_within_its_bounds(lengths: list[int]) -> None:
    passes = list(packing._passes(lengths))
    assert sorted(i for indices in passes for i in indices) == list(range(len(lengths)))
    for indices in passes:
        longest = max(lengths[i] for i in indices)
        assert longest == lengths[indices[-1]]
        if len(indices) > 1:
            assert sum(lengths[i] for i in indices) <= CHUNK
            assert len(indices) * KVCache.padded(longest) <= 512


def test_texts_of_one_length_share_passes_and_their_caches(
    models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, made = models(1), []
    together = KVCache.together
    monkeypatch.setattr(KVCache, "together", lambda *args: made.append(args) or together(*args))
    n_tokens: list[int] = []

    class Counting(Reporter):
        def task(self, label: str, total: int, unit: str) -> Task:
            assert (total, unit) == (1000, "tokens")
            task = Task()
            task.advance = n_tokens.append  # type: ignore[method-assign]
            return task

    score_packed(model, drawn([10] * 100), Counting())
    assert n_tokens == [250] * 4
    assert len(made) == 1


def test_an_interrupt_leaves_the_model_in_order(
    models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, texts = models(2), drawn([20] * 30)
    run, n_runs = model._pass.run, []

    def interrupted(*args: Any) -> None:
        n_runs.append(1)
        if len(n_runs) == 2:
            raise KeyboardInterrupt
        run(*args)

    with monkeypatch.context() as patch:
        patch.setattr(model._pass, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            score_packed(model, texts)
    assert_same(score_packed(model, texts), [alone(model, text) for text in texts])
