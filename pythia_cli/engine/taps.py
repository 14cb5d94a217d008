"""How activations are read and changed while a model runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from pythia_cli.engine.activation_names import (
    EMBED,
    LOGITS,
    UNEMBED_IN,
    in_layer,
    names_in_layer,
)
from pythia_cli.errors import UsageError
from pythia_cli.suite.config import ModelConfig

_Array = np.ndarray[Any, Any]


class Tap(Protocol):
    """Sees the activations that it wants, in the order in which they are computed."""

    def wants(self, name: str) -> bool:
        """Whether it is to see this activation."""

    def rows(self, text: int, n: int) -> _Array:
        """The tokens of a text of n tokens whose logits it wants."""

    def see(self, name: str, text: int, values: _Array) -> _Array:
        """Look at an activation of the text with this index. Returns what the model goes on with.

        values: float32, of Activation.shape, but for logits [len(rows), d_vocab]. To be copied,
        and never changed in place, as the array is used again. If it is returned as it is, no bit
        of what follows changes.
        """


class Inside(Protocol):
    """A model that runs with a tap."""

    @property
    def config(self) -> ModelConfig:
        """Its dimensions."""

    def run(self, texts: Sequence[_Array], tap: Tap) -> None:
        """Run texts of token ids [n] each; every one has a context of its own.

        Layers behind the last activation that is wanted are not run. Raises UsageError for ids that
        the model does not have, and for a text that is empty or longer than the context.
        """

    def unembed(self, residual: _Array) -> _Array:
        """The logits [n, d_vocab] float32 of a residual stream [n, d_model], normalized first."""


class Wanted:
    """What a tap wants of a model.

    in_layers[i]: the names in layer i, without the layer. n_layers: how many have to be run.
    """

    def __init__(self, config: ModelConfig, tap: Tap) -> None:
        names = names_in_layer(config)
        self.in_layers = [
            {name for name in names if tap.wants(in_layer(layer, name))}
            for layer in range(config.n_layers)
        ]
        self.embed = tap.wants(EMBED)
        self.logits = tap.wants(LOGITS)
        self.final_norm = {name for name in FINAL_NORM if tap.wants(name)}
        last = max((i for i, found in enumerate(self.in_layers) if found), default=-1)
        has_end = self.logits or self.final_norm
        self.n_layers = config.n_layers if has_end else last + 1


FINAL_NORM = ("ln_final.hook_scale", "ln_final.hook_normalized", UNEMBED_IN)


def check_texts(texts: Sequence[_Array], config: ModelConfig) -> None:
    """Raises UsageError as Inside.run."""
    for text, token_ids in enumerate(texts):
        n = len(token_ids)
        if not 0 < n <= config.n_ctx:
            raise UsageError(f"text {text} has {n} tokens; the model takes 1 to {config.n_ctx}")
        if token_ids.min() < 0 or token_ids.max() >= config.d_vocab:
            raise UsageError(f"token ids must be within 0 to {config.d_vocab - 1}")
