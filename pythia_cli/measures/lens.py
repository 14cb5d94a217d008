"""The logit lens and the tuned lens: what the residual stream predicts layer by layer.

nostalgebraist 2020, "interpreting GPT: the logit lens"; Belrose et al. 2023, "Eliciting Latent
Predictions from Transformers with the Tuned Lens" (docs/lens.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pythia_cli.engine.activation_names import in_layer
from pythia_cli.engine.checks import check_whole
from pythia_cli.engine.transformer import LOGITS_CHUNK
from pythia_cli.errors import InputError, PythiaError
from pythia_cli.files.reading import file_sha256
from pythia_cli.inside.problems import OutsideText
from pythia_cli.inside.running import batches, encoded, inside_of
from pythia_cli.inside.selection import Selection
from pythia_cli.measures.lens_figures import (
    LensFigures,
    distributions,
    empty_figures,
    write_figures,
)
from pythia_cli.measures.lens_problems import LongText
from pythia_cli.measures.tuned_lens import TunedLens, lens_files
from pythia_cli.model.open_model import OpenModel
from pythia_cli.reporting import NO_TASK, Task
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.models import LOCAL_PREFIX
from pythia_cli.suite.steps import steps_of
from pythia_cli.tables.measuring import measured_together

_Array = np.ndarray[Any, Any]

_TOGETHER = 512
"""Tokens of texts that are run together, one run for a longer text: their residual stream is kept.

[n_layers + 1, n, d_model] float32: 52 MB for pythia-410m, 210 MB with all of its context.
"""


@dataclass(frozen=True)
class LensOptions:
    """How the residual stream is read.

    top: how many of the most probable tokens are wanted. positions: of each text, from its end if
    they are negative; None: all. bos: <|endoftext|> before each text. tuned: folder or file of a
    tuned lens; None: the logit lens.
    """

    top: int = 5
    positions: Sequence[int] | None = None
    bos: bool = False
    tuned: Path | None = None

    def check(self, config: ModelConfig) -> None:
        """Raises InvalidValue for a value that is not possible."""
        check_whole("top", self.top, 1, config.d_vocab)
        self.selection(config)

    def identity(self) -> dict[str, Any]:
        """What tells its figures from those of others. Raises what `lens_files` raises."""
        positions = None if self.positions is None else list(self.positions)
        tuned = None if self.tuned is None else file_sha256(lens_files(self.tuned)[0])
        own = {"top": self.top, "positions": positions, "bos": self.bos, "tuned_sha256": tuned}
        return {"measure": "lens", **own}

    def selection(self, config: ModelConfig) -> Selection:
        """The activations that are read, and where. Raises InvalidValue for the positions."""
        return Selection.of(config, _stream_names(config), positions=self.positions)


@dataclass(frozen=True, eq=False)
class LensedText:
    """What a lens says of a text.

    token_ids [n] int64, with <|endoftext|> if `bos` put it there. positions [m]: those that were
    looked at. targets [m]: the true next tokens, -1 behind the last. figures: arrays [n_layers + 1,
    m, ...]; row i is of the residual stream that goes into layer i, and the last row is the model's
    own prediction.
    """

    token_ids: _Array
    positions: _Array
    targets: _Array
    figures: LensFigures


class LensMeter:
    """Looks through a lens at one model. Raises InvalidValue, and what TunedLens raises."""

    def __init__(self, model: OpenModel, options: LensOptions) -> None:
        options.check(model.config)
        self._model, self._options = model, options
        self._selection = options.selection(model.config)
        self._tuned = None if options.tuned is None else TunedLens(options.tuned, model.config)
        self._note_other_model()
        self._inside = inside_of(model)

    def measure(
        self, texts: Sequence[str | Sequence[int]], task: Task = NO_TASK
    ) -> list[LensedText | PythiaError]:
        """What the lens says of each text or token ids, or the error of that text.

        `task` advances by positions of all layers. An InputError is that of a text without tokens,
        with more than the context holds, or without one of the positions.
        """
        return measured_together(texts, self._token_ids, lambda ids: self._lensed(ids, task))

    def n_steps(self, n_tokens: int) -> int:
        """How far a task of a text with so many tokens, <|endoftext|> left out, goes."""
        positions = self._options.positions
        n = n_tokens + self._options.bos if positions is None else len(positions)
        return n * (self._model.config.n_layers + 1)

    def _note_other_model(self) -> None:
        """Say if the tuned lens is of another checkpoint, even if that has the same shape."""
        own = self._model.checkpoint
        if self._tuned is None or self._tuned.base is None or own.model.startswith(LOCAL_PREFIX):
            return
        model, revision = self._tuned.base
        steps = steps_of(own.model)
        names = [own.revision, *(["main"] if steps and own.step == steps[-1] else [])]
        if model != own.model or revision not in names:
            note = f"the tuned lens was trained for {model} {revision}, and this is {own.model}"
            self._model.reporter.note(f"{note} {own.revision}")

    def _token_ids(self, text: str | Sequence[int]) -> _Array:
        ids = encoded(self._model, text, bos=self._options.bos)
        n, n_ctx = len(ids), self._model.config.n_ctx
        if n == 0:
            raise InputError("text", "is empty")
        if n > n_ctx:
            raise LongText(n, n_ctx)
        try:
            self._selection.rows(0, n)
        except OutsideText as error:
            there = f"{-n} to {n - 1}, as it has {n} tokens"
            raise InputError("text", f"has no position {error.value}; expected {there}") from None
        return ids

    def _lensed(self, texts: Sequence[_Array], task: Task) -> Iterator[LensedText]:
        for together in batches(texts, _TOGETHER):
            stream = _Stream(self._model.config, self._selection, together)
            self._inside.run(together, stream)
            for text, ids in enumerate(together):
                positions = stream.positions[text]
                targets = np.append(ids[1:], -1)[positions]
                residual = stream.values.pop(text)
                yield LensedText(ids, positions, targets, self._figures(residual, targets, task))

    def _figures(self, residual: _Array, targets: _Array, task: Task) -> LensFigures:
        """The figures of a residual stream [n_layers + 1, m, d_model], which is overwritten."""
        n_layers, m = len(residual) - 1, len(targets)
        if self._tuned is not None:
            for layer in range(n_layers):
                residual[layer] = self._tuned.translated(layer, residual[layer])
        found = empty_figures(residual.shape[:2], self._options.top)
        # As many at a time as OpenModel.logits takes: the reference gives the same bits then.
        for lo in range(0, m, LOGITS_CHUNK):
            part = slice(lo, min(lo + LOGITS_CHUNK, m))
            last = self._inside.unembed(residual[n_layers, part])
            own = distributions(last)
            for layer in range(n_layers + 1):
                is_last = layer == n_layers
                logits = last if is_last else self._inside.unembed(residual[layer, part])
                out = LensFigures(*(values[layer, part] for values in found))
                write_figures(logits, targets[part], None if is_last else own, out)
                task.advance(len(logits))
        return found


class _Stream:
    """A tap that keeps the residual stream at the chosen positions.

    values: by the index of the text, [n_layers + 1, m, d_model].
    """

    def __init__(self, config: ModelConfig, selection: Selection, texts: Sequence[_Array]) -> None:
        self._layers = {name: layer for layer, name in enumerate(_stream_names(config))}
        self.positions = [selection.rows(i, len(text)) for i, text in enumerate(texts)]
        self.values = {
            text: np.empty((config.n_layers + 1, len(rows), config.d_model), np.float32)
            for text, rows in enumerate(self.positions)
        }

    def wants(self, name: str) -> bool:
        """As Tap.wants."""
        return name in self._layers

    def rows(self, text: int, n: int) -> _Array:
        """As Tap.rows: no logits are wanted."""
        return np.empty(0, np.int64)

    def see(self, name: str, text: int, values: _Array) -> _Array:
        """As Tap.see."""
        self.values[text][self._layers[name]] = values[self.positions[text]]
        return values


def _stream_names(config: ModelConfig) -> list[str]:
    """What goes into each layer, and what comes out of the last."""
    into = [in_layer(layer, "hook_resid_pre") for layer in range(config.n_layers)]
    return [*into, in_layer(config.n_layers - 1, "hook_resid_post")]
