"""Runs the float32 reference with a tap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from pythia_cli.engine.activation_names import LOGITS
from pythia_cli.engine.reference import Reference, See
from pythia_cli.engine.taps import Tap, Wanted, check_texts
from pythia_cli.suite.config import ModelConfig

_Array = np.ndarray[Any, Any]


class Float32Inside:
    """The reference as an Inside, text by text."""

    def __init__(self, reference: Reference) -> None:
        self._reference = reference

    @property
    def config(self) -> ModelConfig:
        """Its dimensions."""
        return self._reference.config

    def run(self, texts: Sequence[_Array], tap: Tap) -> None:
        """As Inside.run."""
        check_texts(texts, self.config)
        wanted = Wanted(self.config, tap)
        for text, token_ids in enumerate(texts):
            self._run(text, token_ids, tap, wanted)

    def unembed(self, residual: _Array) -> _Array:
        """As Inside.unembed."""
        with self._reference.running():
            logits = self._reference.unembed(self._reference.normed(torch.from_numpy(residual)))
        found: _Array = logits.numpy()
        return found

    def _run(self, text: int, token_ids: _Array, tap: Tap, wanted: Wanted) -> None:
        def show(name: str, values: torch.Tensor) -> torch.Tensor:
            given = values.numpy()
            new = tap.see(name, text, given)
            return values if new is given else torch.from_numpy(np.ascontiguousarray(new))

        reference = self._reference
        see = See(tap.wants, show)
        hidden = reference.hidden(token_ids, see, n_layers=wanted.n_layers)
        if wanted.logits:
            with reference.running():
                rows = torch.from_numpy(tap.rows(text, len(token_ids)))
                see(LOGITS, reference.unembed(hidden[rows]))
