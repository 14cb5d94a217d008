"""How far the activations of an int8 model are from those of its float32 reference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pythia_cli.engine.activation_names import LOGITS
from pythia_cli.engine.kl import kl_divergence
from pythia_cli.engine.taps import Inside
from pythia_cli.errors import UsageError
from pythia_cli.inside.patches import Patches
from pythia_cli.inside.running import Recorder, inside_of
from pythia_cli.inside.saving import TextSource, token_ids_of
from pythia_cli.inside.selection import Selection
from pythia_cli.model.open_model import OpenModel
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.records import Records

_Array = np.ndarray[Any, Any]

COLUMNS: dict[str, Kind] = {
    "name": str,
    "n_values": int,
    "rms": float,
    "rms_error": float,
    "relative_error": float,
    "max_error": float,
    "cosine": float,
    "kl_mean": float,
    "top1_agreement": float,
}


def compared_with_float32(
    model: OpenModel, items: TextSource, selection: Selection, *, bos: bool = False
) -> Records:
    """A row for each selected activation: int8 beside float32, on the texts of items.

    rms: of float32. rms_error, max_error: of the difference. relative_error: rms_error / rms.
    cosine: between both, as one vector. Of the logits also kl_mean, KL(float32 || int8) in nats,
    and top1_agreement, as in a certificate. Scores that are -inf are left out. One text's values
    are in memory at a time. Raises UsageError for a model in float32, NoFloatWeights, and what
    `token_ids_of` raises.
    """
    if model.dtype != "int8":
        raise UsageError("a model in float32 has no int8 values; compare one that is open as int8")
    texts = token_ids_of(model, items, selection, bos=bos)
    reference = OpenModel(
        model.opened, dtype="float32", n_threads=model.n_threads, reporter=model.reporter
    )
    engines = inside_of(model), inside_of(reference)
    found = {name: _Compared() for name in selection.activations}
    with model.reporter.task("comparing", sum(map(len, texts)), "tokens") as task:
        for index, text in enumerate(texts):
            rows = selection.rows(index, len(text))
            ours, theirs = (_values(inside, text, rows, selection) for inside in engines)
            for name, values in theirs.items():
                found[name].add(values, ours[name], is_logits=name == LOGITS)
            task.advance(len(text))
    return Records(COLUMNS, [{"name": name, **one.record()} for name, one in found.items()])


def _values(inside: Inside, text: _Array, rows: _Array, selection: Selection) -> dict[str, _Array]:
    """What is selected of one text, by name."""
    found: dict[str, _Array] = {}

    def deliver(index: int, name: str, values: _Array) -> None:
        found[name] = values

    inside.run([text], Recorder(selection, [rows], Patches(inside.config, {}), deliver))
    return found


class _Compared:
    """Sums over the values of an activation, in float64."""

    def __init__(self) -> None:
        self._n = self._n_rows = 0
        self._squares = self._own = self._products = self._errors = self._largest = 0.0
        self._kl = self._agree = 0.0

    def add(self, expected: _Array, found: _Array, *, is_logits: bool) -> None:
        """Add values of float32, and those of int8."""
        finite = np.isfinite(expected)
        a, b = (values[finite].astype(np.float64) for values in (expected, found))
        self._n += len(a)
        # Not by BLAS, which adds in another order for another number of threads.
        self._squares += float((a * a).sum())
        self._own += float((b * b).sum())
        self._products += float((a * b).sum())
        off = b - a
        self._errors += float((off * off).sum())
        self._largest = max(self._largest, float(np.abs(off).max(initial=0.0)))
        if is_logits:
            self._n_rows += len(expected)
            for p, q in zip(expected, found, strict=True):
                self._kl += float(kl_divergence(p[None], q[None])[0])
            self._agree += float((expected.argmax(axis=1) == found.argmax(axis=1)).sum())

    def record(self) -> dict[str, Any]:
        """The figures; None for what is not defined."""
        rms, error = (math.sqrt(total / self._n) for total in (self._squares, self._errors))
        norms = math.sqrt(self._squares * self._own)
        return {
            "n_values": self._n,
            "rms": rms,
            "rms_error": error,
            "relative_error": error / rms if rms else None,
            "max_error": self._largest,
            "cosine": self._products / norms if norms else None,
            "kl_mean": self._kl / self._n_rows if self._n_rows else None,
            "top1_agreement": self._agree / self._n_rows if self._n_rows else None,
        }
