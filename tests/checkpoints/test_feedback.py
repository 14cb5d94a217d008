"""The unembedding is rounded so that its errors cancel out over the inputs that were measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pythia_cli.checkpoints.calibrate import calibrate, calibration_tokens
from pythia_cli.checkpoints.feedback import feedback_of
from pythia_cli.checkpoints.rows import quantize_matrix, quantize_with_feedback
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File


def correlated(n: int, d: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.standard_normal((n, d)) @ rng.standard_normal((d, d)) + 5


def error(w: np.ndarray, x: np.ndarray, q: np.ndarray, scales: np.ndarray) -> float:
    """The mean square of what quantizing w changes in its outputs for x less its mean."""
    off = w.astype(np.float64) - q * scales.astype(np.float64)[:, None]
    return float(np.mean(((x - x.mean(axis=0)) @ off.T) ** 2))


def test_the_outputs_for_such_inputs_are_nearer() -> None:
    """Also for others of their kind, and if they are fewer than they are wide."""
    x = correlated(600, 64)
    w = np.random.default_rng(1).standard_normal((50, 64)).astype(np.float32)
    without = quantize_matrix(w)
    for n, most in ((300, 0.8), (32, 0.95)):
        q, scales = quantize_with_feedback(w, feedback_of(x[:n]))
        np.testing.assert_array_equal(scales, without[1])
        for part in (x[:n], x[300:]):
            assert error(w, part, q, scales) < most * error(w, part, *without)


@pytest.mark.parametrize(
    "x", [np.ones((9, 8)), np.empty((0, 8)), np.full((9, 8), np.inf), np.full((9, 8), 0.1)]
)
def test_without_anything_to_go_by_each_weight_is_rounded_alone(x: np.ndarray) -> None:
    w = np.random.default_rng(1).standard_normal((50, 8)).astype(np.float32)
    feedback = feedback_of(x)
    assert not feedback.any()
    for a, b in zip(quantize_with_feedback(w, feedback), quantize_matrix(w), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_file_has_it(demo_int8: Int8File, demo_folder: Callable[[int], Path]) -> None:
    """Nearly: biases were not corrected yet when the inputs were measured."""
    checkpoint = FloatCheckpoint(demo_folder(3000))
    tokenizer = PythiaTokenizer(checkpoint.tokenizer_path)
    token_ids = calibration_tokens(tokenizer, demo_int8.config)
    inputs = calibrate(demo_int8, token_ids, 1).unembedded
    w = np.ascontiguousarray(checkpoint.tensor("embed_out.weight"), np.float32)
    q, scales = quantize_with_feedback(w, feedback_of(inputs))
    written = demo_int8.tensors["embed_out.weight"]
    assert np.mean(written == q) > 0.99 > 0.95 > np.mean(written == quantize_matrix(w)[0])
    np.testing.assert_array_equal(demo_int8.tensors["embed_out.scales"], scales)
