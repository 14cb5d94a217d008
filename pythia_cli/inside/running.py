"""Runs texts through a model, and keeps and changes what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from pythia_cli.engine.activation_names import LOGITS
from pythia_cli.engine.checks import listed
from pythia_cli.engine.taps import Inside, check_texts
from pythia_cli.engine.targets import checked_ids
from pythia_cli.errors import IntegrityError
from pythia_cli.inside.activations import Activations
from pythia_cli.inside.patches import Patch, Patches
from pythia_cli.inside.problems import BadPatch
from pythia_cli.inside.selection import Selection
from pythia_cli.model.open_model import OpenModel

_Array = np.ndarray[Any, Any]

Deliver = Callable[[int, str, _Array], None]
"""Is given the index of a text, the name of an activation, and what is kept of it."""


def inside_of(model: OpenModel) -> Inside:
    """The engine of a model, int8 or float32, to be run with a tap."""
    if model.dtype == "int8":
        from pythia_cli.engine.int8_inside import Int8Inside

        return Int8Inside(model.transformer)
    from pythia_cli.engine.reference_inside import Float32Inside

    scorer: Any = model.scorer
    return Float32Inside(scorer.reference)


class Recorder:
    """A tap that patches activations and delivers those of a selection, as they are computed."""

    def __init__(
        self, selection: Selection, rows: Sequence[_Array], patches: Patches, deliver: Deliver
    ) -> None:
        self._selection, self._rows = selection, rows
        self._patches, self._deliver = patches, deliver

    def wants(self, name: str) -> bool:
        """As Tap.wants."""
        return name in self._selection.activations or name in self._patches

    def rows(self, text: int, n: int) -> _Array:
        """As Tap.rows."""
        return self._rows[text]

    def see(self, name: str, text: int, values: _Array) -> _Array:
        """As Tap.see. Raises BadPatch, TooLarge, IntegrityError for a model that gives NaN."""
        if name in self._patches:
            values = self._patches.patched(name, text, values)
        activation = self._selection.activations.get(name)
        if activation is None:
            return values
        if np.isnan(values).any():
            if self._patches.is_empty:
                raise IntegrityError("model", f"{name} has NaN; the checkpoint may be damaged")
            raise BadPatch(name, float("nan"), "smaller values in the patches before it")
        rows = None if name == LOGITS else self._rows[text]  # of logits, it has no others
        kept = self._selection.taken(activation, values, rows)
        self._deliver(text, name, kept)
        return values


def run_recorded(
    inside: Inside, texts: Sequence[_Array], selection: Selection, deliver: Deliver
) -> None:
    """Run texts of token ids [n] each, and deliver what is selected. Raises OutsideText first."""
    rows = [selection.rows(i, len(text)) for i, text in enumerate(texts)]
    inside.run(texts, Recorder(selection, rows, Patches(inside.config, {}), deliver))


def run(
    model: OpenModel,
    texts: Sequence[str | Sequence[int]],
    capture: str | Iterable[str] = LOGITS,
    *,
    patch: Mapping[str, Patch] | None = None,
    positions: Sequence[int] | None = None,
    heads: Sequence[int] | None = None,
    values: str = "float32",
    bos: bool = False,
) -> list[Activations]:
    """As Model.run."""
    selection = Selection.of(model.config, capture, positions, heads, values)
    patches = Patches(model.config, patch or {})
    ids = [encoded(model, text, bos=bos) for text in listed("texts", texts)]
    check_texts(ids, model.config)
    rows = [selection.rows(i, len(text)) for i, text in enumerate(ids)]
    found: list[dict[str, _Array]] = [{} for _ in ids]

    def deliver(text: int, name: str, values: _Array) -> None:
        found[text][name] = values

    inside_of(model).run(ids, Recorder(selection, rows, patches, deliver))
    return [Activations(*of_text) for of_text in zip(ids, rows, found, strict=True)]


def encoded(model: OpenModel, text: str | Sequence[int], *, bos: bool) -> _Array:
    """The token ids [n] of a text, or the ids given. bos: with <|endoftext|> before them.

    Raises UsageError for ids that the model does not have. A text without tokens has none with
    `bos` either: nothing of it would be looked at.
    """
    if isinstance(text, str):
        ids = model.tokenizer.encode(text)
    else:
        ids = checked_ids(text, model.config.d_vocab)
    return np.concatenate([[model.tokenizer.end_of_text], ids]) if bos and len(ids) else ids


def batches(texts: Iterable[_Array], n_tokens: int) -> Iterator[list[_Array]]:
    """The texts [n] in order, some together: at most n_tokens, or one text that is longer."""
    batch: list[_Array] = []
    n = 0
    for token_ids in texts:
        if batch and n + len(token_ids) > n_tokens:
            yield batch
            batch, n = [], 0
        batch.append(token_ids)
        n += len(token_ids)
    if batch:
        yield batch
