"""Patches: what may take the place of an activation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pythia_cli.errors import InvalidValue, UnknownName
from pythia_cli.inside.patches import Hook, Patches
from pythia_cli.inside.problems import BadPatch
from tests.inside.test_selection import CONFIG

EMBED, SCORES = "hook_embed", "blocks.3.attn.hook_attn_scores"
VALUES = np.ones((2, 32), np.float32)


def scores() -> np.ndarray[Any, Any]:
    found = np.zeros((4, 2, 2), np.float32)
    found[:, 0, 1] = -np.inf
    return found


def test_functions_and_arrays() -> None:
    def doubled(values: np.ndarray[Any, Any], hook: Hook) -> np.ndarray[Any, Any]:
        assert hook == Hook(EMBED, None, 5)
        return values * 2

    def in_place(values: np.ndarray[Any, Any], hook: Hook) -> None:
        values += 1

    for patch, expected in ((doubled, 2), (in_place, 2), (VALUES * 7, 7), (VALUES > 0, 1)):
        patches = Patches(CONFIG, {EMBED: patch})
        assert (patches.patched(EMBED, 5, VALUES) == expected).all()
    assert (VALUES == 1).all()


def test_several_patches_of_one_activation_follow_each_other() -> None:
    def added(values: np.ndarray[Any, Any], hook: Hook) -> np.ndarray[Any, Any]:
        return values + 1

    def doubled(values: np.ndarray[Any, Any], hook: Hook) -> np.ndarray[Any, Any]:
        return values * 2

    patches = Patches(CONFIG, {"hook_*": added, EMBED: doubled})
    assert (patches.patched(EMBED, 0, VALUES) == 4).all()


def test_patterns_know_the_layer() -> None:
    layers = []

    def seen(values: np.ndarray[Any, Any], hook: Hook) -> None:
        layers.append(hook.layer)

    patches = Patches(CONFIG, {"blocks.*.hook_resid_pre": seen})
    assert "blocks.4.hook_resid_pre" in patches
    assert EMBED not in patches
    patches.patched("blocks.4.hook_resid_pre", 0, VALUES)
    assert layers == [4]


def test_the_same_values_are_the_array_itself() -> None:
    assert Patches(CONFIG, {EMBED: VALUES.copy()}).patched(EMBED, 0, VALUES) is VALUES
    found = scores()
    assert Patches(CONFIG, {SCORES: found.copy()}).patched(SCORES, 0, found) is found


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        (np.ones((3, 32)), "of shape (3, 32)"),
        (np.ones(()), "of shape ()"),
        (np.full((2, 32), np.nan), "finite"),
        (np.full((2, 32), np.inf), "finite"),
        (np.full((2, 32), 1e39), "finite"),
        (np.ones((2, 32), complex), "real numbers"),
        (lambda values, hook: "text", "of shape ()"),
        (lambda values, hook: values[:1], "of shape (1, 32)"),
        (lambda values, hook: [[1], [1, 2]], "list"),
    ],
)
def test_bad_values(patch: Any, words: str) -> None:
    with pytest.raises(BadPatch) as failed:
        Patches(CONFIG, {EMBED: patch}).patched(EMBED, 0, VALUES)
    assert failed.value.activation == EMBED
    assert words in str(failed.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ((0, 0, 1, 0.0), "later positions"),
        ((0, 1, 0, np.nan), "finite values or -inf"),
        ((0, 1, 0, np.inf), "finite values or -inf"),
        ((0, 0, 0, -np.inf), "a finite score in each row"),
    ],
)
def test_bad_scores(change: tuple[int, int, int, float], words: str) -> None:
    new = scores()
    new[change[:3]] = change[3]
    with pytest.raises(BadPatch, match=words):
        Patches(CONFIG, {SCORES: new}).patched(SCORES, 0, scores())


def test_a_score_may_be_masked() -> None:
    new = scores()
    new[0, 1, 0] = -np.inf
    assert Patches(CONFIG, {SCORES: new}).patched(SCORES, 0, scores()) is not new


@pytest.mark.parametrize("name", ["ln_final.hook_scale", "logits", "blocks.*.ln1.hook_scale"])
def test_what_nothing_is_computed_from(name: str) -> None:
    with pytest.raises(InvalidValue):
        Patches(CONFIG, {name: VALUES})


def test_what_is_no_patch() -> None:
    with pytest.raises(BadPatch):
        Patches(CONFIG, {EMBED: 3})  # type: ignore[dict-item]
    with pytest.raises(InvalidValue):
        Patches(CONFIG, [EMBED])  # type: ignore[arg-type]
    with pytest.raises(UnknownName):
        Patches(CONFIG, {"hook_embeds": VALUES})
