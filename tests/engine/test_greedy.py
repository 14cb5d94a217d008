"""Greedy decoding beside the truth, against decoding token by token."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from pythia_cli.engine import greedy
from pythia_cli.engine.forward_pass import CHUNK
from pythia_cli.engine.greedy import (
    GreedyOptions,
    GreedyPath,
    greedy_path_by_passes,
    greedy_paths,
)
from pythia_cli.engine.scorer import Int8Scorer
from pythia_cli.engine.targets import targeted
from pythia_cli.engine.transformer import Transformer
from pythia_cli.errors import UsageError
from pythia_cli.reporting import NO_TASK
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.weights.int8_file import Int8File

N_PROMPT, N_NEW = 20, 12


@pytest.fixture(scope="module")
def models(demo_int8: Int8File) -> Iterator[Callable[[int], Transformer]]:
    """A function from n_threads to a model."""
    opened = {n: Transformer(demo_int8, n) for n in (1, 2, 3)}
    yield lambda n_threads: opened[n_threads]
    for model in opened.values():
        model.close()


@pytest.fixture(scope="module")
def token_ids(demo_tokenizer: PythiaTokenizer, eval_text: str) -> np.ndarray[Any, Any]:
    return demo_tokenizer.encode(eval_text[:10_000])


def one_by_one(
    model: Transformer, row: np.ndarray[Any, Any], n_prompt: int, never: int | None = None
) -> GreedyPath:
    """Prefill, then decode all tokens."""
    cache = model.new_cache()
    logits = model.prefill(row[:n_prompt], cache)
    chosen, margins = [], []
    while True:
        order = logits.copy()
        if never is not None:
            order[never] = -np.inf
        chosen.append(int(order.argmax()))
        second, first = np.sort(order)[-2:]
        margins.append(first - second)
        if len(chosen) == len(row) - n_prompt:
            break
        logits = model.decode(chosen[-1], cache)
    (scores,) = Int8Scorer(model).score([targeted(row[:-1], row[n_prompt:])], NO_TASK)
    return GreedyPath(np.array(chosen), np.array(margins, np.float32), scores.nll)


def same_bits(found: GreedyPath, expected: GreedyPath) -> bool:
    return all(a.tobytes() == b.tobytes() for a, b in zip(found, expected, strict=True))


def rows_of_all_kinds(
    model: Transformer, token_ids: np.ndarray[Any, Any], n_prompt: int, n_new: int, n: int
) -> np.ndarray[Any, Any]:
    """Real rows, and rows that go on as greedy decoding does up to some token, or to the end."""
    rows = np.array([token_ids[i * 7 : i * 7 + n_prompt + n_new] for i in range(n)])
    for i, n_same in enumerate((n_new, n_new - 1, n_new // 2, 1)):
        row = rows[i * 2]
        row[n_prompt:] = one_by_one(model, row, n_prompt).token_ids
        if n_same < n_new:
            row[n_prompt + n_same] = (row[n_prompt + n_same] + 1) % 4078
    return rows


@pytest.mark.parametrize("n_threads", [1, 2, 3])
def test_it_has_the_same_bits_as_token_by_token(
    models: Any, token_ids: np.ndarray[Any, Any], n_threads: int
) -> None:
    """More rows than are decoded together, in any order."""
    rows = rows_of_all_kinds(models(1), token_ids, N_PROMPT, N_NEW, 37)
    expected = [one_by_one(models(1), row, N_PROMPT) for row in rows]
    order = np.random.default_rng(n_threads).permutation(len(rows)).tolist()
    found = greedy_paths(models(n_threads), rows[order], GreedyOptions(N_PROMPT))
    assert all(same_bits(f, expected[i]) for f, i in zip(found, order, strict=True))
    n_agreeing = [int((path.token_ids == row[N_PROMPT:]).sum()) for path, row in zip(
        expected, rows, strict=True)]  # fmt: skip
    assert max(n_agreeing) == N_NEW
    assert min(n_agreeing) == 0


@pytest.mark.parametrize(
    ("n_prompt", "n_new"), [(1, 1), (1, 3), (40, 1), (CHUNK + 20, 20), (CHUNK, CHUNK), (200, 312)]
)
def test_rows_of_any_length(
    models: Any, token_ids: np.ndarray[Any, Any], n_prompt: int, n_new: int
) -> None:
    """Shorter and longer than a pass; (200, 312) fills the context less one, (1, 1) is a pair."""
    rows = rows_of_all_kinds(models(2), token_ids, n_prompt, n_new, 7)
    found = greedy_paths(models(2), rows, GreedyOptions(n_prompt))
    expected = [one_by_one(models(2), row, n_prompt) for row in rows]
    assert all(same_bits(f, e) for f, e in zip(found, expected, strict=True))


def test_the_last_token_needs_no_place_in_the_context(
    models: Any, token_ids: np.ndarray[Any, Any]
) -> None:
    (found,) = greedy_paths(models(2), token_ids[None, :513], GreedyOptions(500))
    assert same_bits(found, one_by_one(models(2), token_ids[:513], 500))
    for n_prompt, n in ((500, 514), (500, 500)):
        with pytest.raises(UsageError, match="expected 501 to 513"):
            greedy_paths(models(2), token_ids[None, :n], GreedyOptions(n_prompt))


def test_it_may_stop_at_the_first_miss(models: Any, token_ids: np.ndarray[Any, Any]) -> None:
    rows = rows_of_all_kinds(models(2), token_ids, N_PROMPT, N_NEW, 9)
    whole = greedy_paths(models(2), rows, GreedyOptions(N_PROMPT))
    cut = greedy_paths(models(2), rows, GreedyOptions(N_PROMPT, until_miss=True))
    for row, path, short in zip(rows, whole, cut, strict=True):
        k = len(short.token_ids)
        assert same_bits(short, GreedyPath(path.token_ids[:k], path.margins[:k], path.nll))
        misses = (path.token_ids != row[N_PROMPT:]).nonzero()[0].tolist()
        assert k == (misses[0] + 1 if misses else N_NEW)


def test_a_token_may_be_forbidden(models: Any, token_ids: np.ndarray[Any, Any]) -> None:
    rows = rows_of_all_kinds(models(2), token_ids, N_PROMPT, N_NEW, 9)
    never = int(rows[0][N_PROMPT])  # a choice
    found = greedy_paths(models(2), rows, GreedyOptions(N_PROMPT, never=never))
    expected = [one_by_one(models(2), row, N_PROMPT, never) for row in rows]
    assert all(same_bits(f, e) for f, e in zip(found, expected, strict=True))
    assert not any((path.token_ids == never).any() for path in found)


@pytest.mark.parametrize("until_miss", [False, True])
def test_by_passes_it_is_the_same(
    models: Any, token_ids: np.ndarray[Any, Any], until_miss: bool
) -> None:
    rows = rows_of_all_kinds(models(2), token_ids, N_PROMPT, N_NEW, 9)
    options = GreedyOptions(N_PROMPT, until_miss, never=0)
    scorer = Int8Scorer(models(2))
    for row, expected in zip(rows, greedy_paths(models(2), rows, options), strict=True):
        before = row.copy()
        found = greedy_path_by_passes(scorer, row, options)
        assert same_bits(GreedyPath(*found[:2], expected.nll), expected)
        np.testing.assert_allclose(found.nll, expected.nll, rtol=3e-7, atol=3e-7)
        assert (row == before).all()


def test_of_equal_logits_the_lowest_id_is_chosen() -> None:
    logits = np.array([[1, 3, 2, 3], [0, 0, 0, 0], [5, 1, 2, 3]], np.float32)
    token_ids, margins = greedy._choices(logits.copy(), None)
    assert (token_ids.tolist(), margins.tolist()) == ([1, 0, 0], [0, 0, 2])
    token_ids, margins = greedy._choices(logits.copy(), 0)
    assert (token_ids.tolist(), margins.tolist()) == ([1, 1, 3], [0, 0, 1])


def test_without_rows_there_are_no_paths(models: Any) -> None:
    assert greedy_paths(models(1), np.empty((0, 6), np.int64), GreedyOptions(3)) == []


@pytest.mark.parametrize("bad", [-1, 4096])
def test_unknown_ids_are_refused(models: Any, bad: int) -> None:
    for at in (0, 5):
        rows = np.array([np.arange(6)] * 2)
        rows[1, at] = bad
        with pytest.raises(UsageError, match="0 to 4095"):
            greedy_paths(models(1), rows, GreedyOptions(3))
