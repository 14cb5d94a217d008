"""Scores of heads, against TransformerLens' detect_head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.engine.reference import Reference
from pythia_cli.engine.reference_inside import Float32Inside
from pythia_cli.errors import InputError, InvalidValue
from pythia_cli.inside.running import inside_of
from pythia_cli.measures.heads import (
    KINDS,
    HeadOptions,
    detection_pattern,
    head_scores,
    repeated_tokens,
    scores_on,
)
from pythia_cli.reporting import SILENT
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.golden_inside import golden_head_scores, golden_head_tokens

EXCLUDED = {
    "none": {},
    "bos": {"exclude_bos": True},
    "current_token": {"exclude_current_token": True},
}


def golden_sequences(tokenizer: PythiaTokenizer, *, bos: bool) -> list[np.ndarray[Any, Any]]:
    start = [tokenizer.end_of_text] if bos else []
    return [np.concatenate([start, ids]).astype(np.int64) for ids in golden_head_tokens()]


@pytest.mark.parametrize("step", [512, 3000])
@pytest.mark.parametrize("bos", [False, True])
@pytest.mark.parametrize("excluded", EXCLUDED)
def test_detect_head(
    demo_folder: Callable[[int], Path],
    demo_tokenizer: PythiaTokenizer,
    step: int,
    bos: bool,
    excluded: str,
) -> None:
    inside = Float32Inside(Reference.from_checkpoint(FloatCheckpoint(demo_folder(step))))
    options = HeadOptions(bos=bos, **EXCLUDED[excluded])
    sequences = golden_sequences(demo_tokenizer, bos=bos)
    for found in scores_on(inside, sequences, KINDS, options, SILENT):
        name = f"{found.kind.replace('-', '_')}_head"
        expected = golden_head_scores(step, name, bos=bos, excluded=excluded)
        np.testing.assert_allclose(found.score, expected.mean(axis=0), atol=1e-6)
        stderr = expected.std(axis=0, ddof=1) / np.sqrt(len(expected))
        np.testing.assert_allclose(found.stderr, stderr, atol=1e-6)


def test_int8_is_near_float32(demo_tokenizer: PythiaTokenizer) -> None:
    sequences = golden_sequences(demo_tokenizer, bos=False)
    with pythia_cli.load("demo", 3000) as model:
        for found in scores_on(inside_of(model), sequences, KINDS, HeadOptions(), SILENT):
            name = f"{found.kind.replace('-', '_')}_head"
            expected = golden_head_scores(3000, name, bos=False).mean(axis=0)
            np.testing.assert_allclose(found.score, expected, atol=5e-3)


def test_patterns() -> None:
    ids = np.array([7, 8, 7, 8])
    assert np.argwhere(detection_pattern("previous-token", ids)).tolist() == [
        [1, 0],
        [2, 1],
        [3, 2],
    ]
    assert np.argwhere(detection_pattern("duplicate-token", ids)).tolist() == [[2, 0], [3, 1]]
    assert np.argwhere(detection_pattern("induction", ids)).tolist() == [[2, 1], [3, 2]]
    # Equal neighbours: a head may look at the place itself.
    assert np.argwhere(detection_pattern("induction", ids[[0, 0]])).tolist() == [[1, 1]]


def test_mean_attention_is_from_the_tokens_that_have_a_place() -> None:
    """Without a first position, half of the tokens have one for induction, all but one before."""
    with pythia_cli.load("demo", 3000) as model:
        options = HeadOptions(n_sequences=3, length=20)
        n = 2 * options.length
        for found in head_scores(model, KINDS, options):
            n_rows = n - 1 if found.kind == "previous-token" else options.length
            np.testing.assert_allclose(found.attention * n_rows, found.score * n, rtol=1e-5)


def test_tokens_are_ordinary_and_repeat(demo_tokenizer: PythiaTokenizer) -> None:
    options = HeadOptions(n_sequences=4, length=30, seed=5, bos=True)
    found = repeated_tokens(demo_tokenizer, options)
    for ids in found:
        assert ids[0] == demo_tokenizer.end_of_text
        assert ids[1:31].tolist() == ids[31:].tolist()
        assert len(set(ids[1:31].tolist())) == 30
        assert not demo_tokenizer.special & set(ids[1:].tolist())
    again = repeated_tokens(demo_tokenizer, options)
    assert all((a == b).all() for a, b in zip(found, again, strict=True))
    other = repeated_tokens(demo_tokenizer, HeadOptions(4, 30, 6, True))
    assert any((a != b).any() for a, b in zip(found, other, strict=True))


def test_one_sequence_has_no_standard_error() -> None:
    with pythia_cli.load("demo", 0) as model:
        (found,) = head_scores(model, ["induction"], HeadOptions(n_sequences=1, length=5))
    assert np.isnan(found.stderr).all()


@pytest.mark.parametrize(
    "options",
    [
        HeadOptions(n_sequences=0),
        HeadOptions(length=1),
        HeadOptions(length=257),
        HeadOptions(length=256, bos=True),
        HeadOptions(seed=-1),
    ],
)
def test_bad_options(options: HeadOptions) -> None:
    with pytest.raises(InvalidValue):
        options.check(512)


def test_tokens_without_a_place_to_look_at() -> None:
    with pythia_cli.load("demo", 0) as model, pytest.raises(InputError, match="induction"):
        scores_on(inside_of(model), [np.arange(9)], KINDS, HeadOptions(), SILENT)
