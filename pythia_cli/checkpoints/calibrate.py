"""Measures the inputs of a model's linears on a text."""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple

import numpy as np

from pythia_cli.checkpoints.calibration_text import TEXT
from pythia_cli.engine.forward_pass import CHUNK
from pythia_cli.engine.transformer import Transformer
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.parameters import MODULES, Module
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.weights.int8_layout import Int8Weights

_MOST_TOKENS = 512

Means = dict[str, np.ndarray[Any, Any]]
"""The mean input [n_layers or 1, d_in] float32 of each, by its name in the int8 file."""


class Calibration(NamedTuple):
    """The mean inputs of all, and the inputs [n, d_model] float64 of the unembedding."""

    means: Means
    unembedded: np.ndarray[Any, Any]


CALIBRATED = tuple(module for module in MODULES if module.kind in ("linear", "unembedding"))
"""The modules whose biases are corrected."""


def calibration_tokens(tokenizer: PythiaTokenizer, config: ModelConfig) -> np.ndarray[Any, Any]:
    """The first tokens [n] of the calibration text: those that the model has and has room for."""
    token_ids = tokenizer.encode(TEXT)
    return token_ids[token_ids < config.d_vocab][: min(_MOST_TOKENS, config.n_ctx)]


def calibration_metadata(token_ids: np.ndarray[Any, Any]) -> dict[str, Any]:
    """What the int8 file says of the calibration."""
    return {"text_sha256": hashlib.sha256(TEXT.encode()).hexdigest(), "n_tokens": len(token_ids)}


def calibrate(weights: Int8Weights, token_ids: np.ndarray[Any, Any], n_threads: int) -> Calibration:
    """Run the model, with activations of 16 bits, over token_ids [n]. Its logits do not matter.

    Means that are not finite, as of a model whose activations overflow, are zero.
    """
    config = weights.config
    sums = {module.name: _zeros(module, config) for module in CALIBRATED}
    unembedded = np.empty((0, config.d_model))
    if len(token_ids) > 0:
        model = Transformer(weights, n_threads)
        try:
            with np.errstate(over="ignore", invalid="ignore"):
                unembedded = _add_inputs(model, token_ids, sums)
        finally:
            model.close()
    with np.errstate(over="ignore", invalid="ignore"):
        means = {n: (s / max(len(token_ids), 1)).astype(np.float32) for n, s in sums.items()}
    finite = {n: np.where(np.isfinite(mean), mean, np.float32(0)) for n, mean in means.items()}
    return Calibration(finite, unembedded)


def _zeros(module: Module, config: ModelConfig) -> np.ndarray[Any, Any]:
    n_layers = config.n_layers if module.in_layers else 1
    return np.zeros((n_layers, module.weight_shape(config)[1]))


def _add_inputs(
    model: Transformer, token_ids: np.ndarray[Any, Any], sums: Means
) -> np.ndarray[Any, Any]:
    """sums[linear][layer] += the inputs of all tokens, in their order.

    Returns those of the unembedding.
    """
    cache, unembedded = model.new_cache(len(token_ids)), []
    for at in range(0, len(token_ids), CHUNK):
        residual = model.embed(token_ids[at : at + CHUNK])
        for layer in range(model.config.n_layers):
            residual = model.layers(residual, layer, layer + 1, cache)
            for module in CALIBRATED:
                if module.in_layers:
                    sums[module.name][layer] += _sum_of(model, module, len(residual))
        model.unembed(residual)
        for module in CALIBRATED:
            if not module.in_layers:
                inputs = model.linear_input(module.short_name, len(residual))
                sums[module.name][0] += inputs.sum(axis=0)
                unembedded.append(inputs)
    return np.concatenate(unembedded)


def _sum_of(model: Transformer, module: Module, n_tokens: int) -> np.ndarray[Any, Any]:
    # Along the first axis, numpy adds row by row: the same bits on all processors.
    total: np.ndarray[Any, Any] = model.linear_input(module.short_name, n_tokens).sum(axis=0)
    return total
