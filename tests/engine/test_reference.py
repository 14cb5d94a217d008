"""The float32 reference against logits of transformers, and its use of int8 files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pythia_cli.checkpoints.rows import quantize_matrix
from pythia_cli.engine.reference import Reference, dequantized
from pythia_cli.engine.scores import score_logits
from pythia_cli.weights.float_checkpoint import FloatCheckpoint, expected_tensors
from pythia_cli.weights.int8_file import Int8File
from tests.golden_index import NAMES, golden

# For logits up to 8. float64 changes them by up to 4e-6, the tanh form of GELU by 1e-4 to 1e-3, and
# a wrong setting of config.json by 5e-3 or more (tests/golden/README.md).
TOLERANCE = 1e-4


@pytest.mark.parametrize("name", NAMES)
def test_it_gives_the_golden_logits(golden_folder: Callable[[str], Path], name: str) -> None:
    token_ids, logits = golden(name)
    reference = Reference.from_checkpoint(FloatCheckpoint(golden_folder(name)))
    assert np.abs(reference.logits(token_ids) - logits).max() <= TOLERANCE


def test_there_are_18_golden_models() -> None:
    assert len(NAMES) == len(set(NAMES)) == 18


@pytest.mark.parametrize("name", ["head12-odd-rotary", "head64-sequential-sharded"])
def test_dequantized_weights_are_the_quantized_matrices(
    golden_folder: Callable[[str], Path], quantized: Callable[[Path], Int8File], name: str
) -> None:
    checkpoint, file = FloatCheckpoint(golden_folder(name)), quantized(golden_folder(name))
    for tensor, shape in expected_tensors(checkpoint.config).items():
        if len(shape) == 2 and not tensor.startswith("embed_out"):  # rounded with feedback
            q, scales = quantize_matrix(checkpoint.tensor(tensor))
            np.testing.assert_array_equal(dequantized(file, tensor), q * scales[:, None])


def test_chunks_are_the_rows_of_logits_from_first_on(demo_folder: Callable[[int], Path]) -> None:
    reference = Reference.from_checkpoint(FloatCheckpoint(demo_folder(3000)))
    token_ids = np.arange(300)
    logits = reference.logits(token_ids)
    chunks = list(reference.chunks(token_ids, 130))
    assert [at for at, _ in chunks] == [130, 258]
    np.testing.assert_allclose(
        np.concatenate([rows for _, rows in chunks]), logits[130:], atol=2e-5
    )


def test_score_scores_the_last_tokens(demo_folder: Callable[[int], Path]) -> None:
    reference = Reference.from_checkpoint(FloatCheckpoint(demo_folder(3000)))
    token_ids, targets = np.arange(5, 205), np.arange(56, 206)
    got = reference.score(token_ids, targets)
    expected = score_logits(reference.logits(token_ids)[50:], targets)
    np.testing.assert_allclose(got.nll, expected.nll, atol=1e-5)
    np.testing.assert_allclose(got.entropy, expected.entropy, atol=1e-5)
    assert (got.rank == expected.rank).mean() > 0.99
