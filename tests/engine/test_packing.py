"""Texts scored in shared passes have the same bits as alone, for any lengths and order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pythia_cli.engine import packing
from pythia_cli.engine.forward_pass import CHUNK, NO_MEMBERS
from pythia_cli.engine.kv_cache import KVCache
from pythia_cli.engine.packing import score_packed
from pythia_cli.engine.scores import Scores
from pythia_cli.engine.targets import NO_TARGET, TargetedText
from pythia_cli.engine.transformer import Transformer
from pythia_cli.errors import UsageError
from pythia_cli.reporting import Task
from pythia_cli.weights.int8_file import Int8File


@pytest.fixture(scope="module")
def models(demo_int8: Int8File) -> Iterator[Callable[[int], Transformer]]:
    """A function from n_threads to a model."""
    opened = {n: Transformer(demo_int8, n) for n in (1, 2, 3)}
    yield lambda n_threads: opened[n_threads]
    for model in opened.values():
        model.close()


def drawn(lengths: list[int], seed: int = 0) -> list[TargetedText]:
    """Random texts of these lengths. A fifth of their tokens are not scored."""
    rng = np.random.default_rng(seed)
    texts = []
    for n in lengths:
        token_ids, targets = rng.integers(0, 4078, (2, n))
        texts.append(TargetedText(token_ids, np.where(rng.random(n) < 0.2, NO_TARGET, targets)))
    return texts


MEMBERS = (np.random.default_rng(5).random(4078) < 0.3).astype(np.float32)
"""A set of tokens, whose probability is scored too."""


def alone(
    model: Transformer, text: TargetedText, members: np.ndarray[Any, Any] = NO_MEMBERS
) -> Scores:
    return model.score(text.token_ids, text.targets, model.new_cache(), members)


def assert_same(found: list[Scores], expected: list[Scores]) -> None:
    assert len(found) == len(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert [a.tobytes() for a in ours] == [a.tobytes() for a in theirs]


LENGTHS = [1, 1, 2, 8, 9, 15, 16, 17, 17, 31, 33, 64, 100, 128, 255, 256, 257, 300, 512]


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_each_text_has_the_same_bits_as_alone(models: Any, n_threads: int) -> None:
    texts = drawn(LENGTHS)
    expected = [alone(models(1), text, MEMBERS) for text in texts]
    order = np.random.default_rng(n_threads).permutation(len(texts)).tolist()
    found = score_packed(models(n_threads), [texts[i] for i in order], members=MEMBERS)
    assert_same(found, [expected[i] for i in order])


@settings(max_examples=12)
@given(lengths=st.lists(st.integers(1, 40), max_size=40), seed=st.integers(0, 99))
def test_short_texts_have_the_same_bits_as_alone(
    models: Any, lengths: list[int], seed: int
) -> None:
    texts = drawn(lengths, seed)
    assert_same(score_packed(models(2), texts), [alone(models(2), text) for text in texts])


def test_a_text_without_targets_has_no_scores(models: Any) -> None:
    texts = [TargetedText(np.arange(5), np.full(5, NO_TARGET)), *drawn([4])]
    nothing, some = score_packed(models(1), texts)
    assert [len(values) for values in nothing] == [0, 0, 0, 0]
    assert_same([some], [alone(models(1), texts[1])])


def test_without_texts_there_are_no_scores(models: Any) -> None:
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


@st.composite
def families(draw: st.DrawFn) -> list[TargetedText]:
    """Texts of few different tokens. Many have a common prefix, with or without equal targets."""
    texts = []
    for n in draw(st.lists(st.integers(1, 30), max_size=30)):
        rng = np.random.default_rng(draw(st.integers(0, 5)))
        token_ids, targets = rng.integers(0, 4078, (30, 2)).T.copy()
        change = draw(st.integers(0, 40))
        token_ids[change:] += draw(st.integers(0, 2))
        targets[change + 3 :] = draw(st.sampled_from([NO_TARGET, 7]))
        texts.append(TargetedText(token_ids[:n], targets[:n]))
    return texts


@settings(max_examples=25)
@given(texts=families())
def test_texts_with_a_common_prefix_have_the_same_bits_as_alone(
    models: Any, texts: list[TargetedText]
) -> None:
    assert_same(score_packed(models(2), texts), [alone(models(2), text) for text in texts])


@given(texts=families())
def test_in_a_chain_each_text_starts_after_the_shared_prefix(
    texts: list[TargetedText],
) -> None:
    chains = packing._chains(texts)
    assert sorted(turn.text for chain in chains for turn in chain) == list(range(len(texts)))
    for chain in chains:
        assert 1 <= len(chain) <= 8
        assert chain[0].start == 0
        assert all(0 <= turn.start < turn.end == len(texts[turn.text][0]) for turn in chain)
        for before, turn in itertools.pairwise(chain):
            assert turn.start >= 4
            for ours, theirs in zip(texts[before.text], texts[turn.text], strict=True):
                np.testing.assert_array_equal(ours[: turn.start], theirs[: turn.start])


def test_the_prefix_of_a_pair_of_sentences_runs_once(
    models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last shared token runs twice, because its targets differ."""
    first = TargetedText(np.arange(10), np.arange(1, 11))
    other = np.r_[0:6, 100:104]
    second = TargetedText(other, np.r_[1:6, 100:105])
    model, n_run = models(1), []
    run = model.forward.run
    monkeypatch.setattr(
        model.forward, "run", lambda ids, *args: n_run.append(len(ids)) or run(ids, *args)
    )
    found = score_packed(model, [first, second])
    assert n_run == [10, 5]
    assert_same(found, [alone(model, first), alone(model, second)])


def test_long_texts_with_a_common_prefix(models: Any) -> None:
    """Texts longer than a pass, some with a prefix longer than a pass."""
    (whole,) = drawn([500])
    texts = [TargetedText(*(part[:n] for part in whole)) for n in (500, 300, 270, 20, 500)]
    texts[0].targets[400:] = 1
    assert_same(score_packed(models(2), texts), [alone(models(2), text) for text in texts])


@given(lengths=st.lists(st.integers(1, 600), max_size=200), seed=st.integers(0, 9))
def test_a_group_stays_within_its_bounds(lengths: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    chains, left = [], list(range(len(lengths)))
    while left:
        n = int(rng.integers(1, 9))
        turns = [packing._Turn(i, 0, lengths[i]) for i in left[:n]]
        chains.append([turn._replace(start=int(rng.integers(turn.end))) for turn in turns])
        left = left[n:]
    groups = list(packing._groups(chains))
    assert sorted(c for group in groups for c in group) == sorted(chains)
    for group in groups:
        if len(group) > 1:
            longest = max(turn.end for chain in group for turn in chain)
            assert len(group) * KVCache.padded(longest) <= 512
            for step in itertools.zip_longest(*group):
                assert sum(turn.end - turn.start for turn in step if turn is not None) <= CHUNK


def test_texts_of_equal_length_share_passes_and_caches(
    models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, made = models(1), []
    together = KVCache.together
    monkeypatch.setattr(KVCache, "together", lambda *args: made.append(args) or together(*args))
    n_tokens: list[int] = []

    class Listing(Task):
        def advance(self, amount: int) -> None:
            n_tokens.append(amount)

    texts = drawn([10] * 100)
    score_packed(model, texts, Listing())
    assert len(n_tokens) == 4
    assert sum(n_tokens) == sum(int((text.targets >= 0).sum()) for text in texts)
    assert len(made) == 1


def test_the_model_works_after_an_interrupt(models: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, texts = models(2), drawn([20] * 30)
    run, n_runs = model.forward.run, []

    def interrupted(*args: Any) -> None:
        n_runs.append(1)
        if len(n_runs) == 2:
            raise KeyboardInterrupt
        run(*args)

    with monkeypatch.context() as patch:
        patch.setattr(model.forward, "run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            score_packed(model, texts)
    assert_same(score_packed(model, texts), [alone(model, text) for text in texts])
