"""Kinds of heads that are items of a table: a row for each head."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence

from pythia_cli.errors import InvalidValue, PythiaError, UnknownName
from pythia_cli.measures.heads import KINDS, HeadKind, HeadOptions, HeadScores, head_scores
from pythia_cli.model.open_model import OpenModel
from pythia_cli.tables.item import Item
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.running import Measure, RecordsOfItem
from pythia_cli.tables.text_items import TextItems

HEAD_COLUMNS: Mapping[str, Kind] = {
    "kind": str,
    "layer": int,
    "head": int,
    "score": float,
    "stderr": float,
    "attention": float,
}

KIND = "kind"


def kind_items(kinds: Sequence[str]) -> TextItems:
    """An item for each kind. Raises UnknownName, InvalidValue."""
    checked_kinds(kinds)
    return TextItems([{KIND: kind} for kind in kinds], KIND, "kinds")


def checked_kinds(kinds: Sequence[str]) -> list[HeadKind]:
    """The kinds. Raises UnknownName, and InvalidValue for one that is there twice, or none."""
    for kind in kinds:
        if kind not in KINDS:
            nearest = difflib.get_close_matches(str(kind), KINDS, 1, 0.5) or list(KINDS)
            raise UnknownName("kind of heads", str(kind), nearest)
    found = [known for kind in kinds for known in KINDS if known == kind]
    if len(set(found)) < len(found) or not found:
        raise InvalidValue("kinds", list(kinds), f"some of {', '.join(KINDS)}, each of them once")
    return found


def head_measure(options: HeadOptions) -> Measure[OpenModel, Item]:
    """The scores of all heads, for the kinds of the items."""

    def measure(model: OpenModel, items: Sequence[Item]) -> list[RecordsOfItem | PythiaError]:
        kinds = checked_kinds([item.text() for item in items])
        return [_records(found) for found in head_scores(model, kinds, options)]

    return measure


def _records(found: HeadScores) -> RecordsOfItem:
    n_layers, n_heads = found.score.shape
    return [
        {
            "kind": found.kind,
            "layer": layer,
            "head": head,
            "score": float(found.score[layer, head]),
            "stderr": float(found.stderr[layer, head]),
            "attention": float(found.attention[layer, head]),
        }
        for layer in range(n_layers)
        for head in range(n_heads)
    ]
