"""The demo on its evaluation text: the error of the kernels, and the published figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pythia_cli.engine.reference import Reference
from pythia_cli.engine.scores import score_logits
from pythia_cli.engine.transformer import Transformer
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File
from tests.engine.int8_reference import Int8Reference

# nll in nats per token, by step, as published with the demo: float32, 24 windows of 512 tokens of
# eval.txt, first tokens not scored.
PUBLISHED_NLL = {0: 8.3456, 64: 5.6267, 512: 4.5948, 3000: 3.6415}


@pytest.fixture(scope="module")
def windows(eval_text: str, demo_tokenizer: PythiaTokenizer) -> np.ndarray[Any, Any]:
    """The first 24 windows of 512 tokens."""
    return demo_tokenizer.encode(eval_text)[: 24 * 512].reshape(24, 512)


@pytest.fixture(scope="module")
def model(demo_int8: Int8File) -> Iterator[Transformer]:
    """Step 3000 in int8, on two threads."""
    model = Transformer(demo_int8, 2)
    yield model
    model.close()


def window_nll(model: Any, windows: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """[n_windows, 511]: nll of each token but the first, given those before it in the window."""
    if isinstance(model, Reference):
        return np.stack([model.score(window[:-1], window[1:]).nll for window in windows])
    return np.stack(
        [model.score(window[:-1], window[1:], model.new_cache()).nll for window in windows]
    )


@pytest.mark.parametrize("step", PUBLISHED_NLL)
def test_the_float_model_has_the_published_nll(
    demo_folder: Callable[[int], Path], windows: np.ndarray[Any, Any], step: int
) -> None:
    reference = Reference.from_checkpoint(FloatCheckpoint(demo_folder(step)))
    assert window_nll(reference, windows).mean() == pytest.approx(PUBLISHED_NLL[step], abs=1e-3)


def test_the_error_of_the_kernels_is_small(
    demo_int8: Int8File, model: Transformer, windows: np.ndarray[Any, Any]
) -> None:
    """Compared with the twin that rounds as the engine does; nats per token.

    A key or value near the middle between two levels may go to either.
    """
    twin = Int8Reference.from_int8(demo_int8)
    off = np.abs(window_nll(model, windows) - window_nll(twin, windows))
    assert off.max() <= 5e-2
    assert off.mean() <= 1e-3


def test_the_error_of_the_cache_is_small(
    demo_int8: Int8File, model: Transformer, windows: np.ndarray[Any, Any]
) -> None:
    """Compared with the reference on dequantized weights; nats per token."""
    twin = Reference.from_int8(demo_int8)
    off = window_nll(model, windows) - window_nll(twin, windows)
    assert abs(off.mean()) <= 2e-4
    assert np.abs(off).mean() <= 4e-3


def test_decoding_scores_as_prefill_does(model: Transformer, windows: np.ndarray[Any, Any]) -> None:
    window, cache = windows[3], model.new_cache()
    logits = np.stack([model.decode(token_id, cache).copy() for token_id in window[:-1].tolist()])
    decoded = score_logits(logits, window[1:]).nll
    assert np.abs(decoded - window_nll(model, windows[3:4])[0]).max() <= 1e-4


def test_perplexity_falls_along_training(
    demo_folder: Callable[[int], Path],
    quantized: Callable[[Path], Int8File],
    windows: np.ndarray[Any, Any],
) -> None:
    mean_nll = []
    for step in (0, 64, 512, 3000):
        model = Transformer(quantized(demo_folder(step)), 2)
        mean_nll.append(window_nll(model, windows[:6]).mean())
        model.close()
    assert (np.diff(mean_nll) < -0.5).all()
