"""What a lens says of the texts of a table: a row for each layer and position."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pythia_cli.errors import PythiaError
from pythia_cli.measures.lens import LensedText, LensMeter, LensOptions
from pythia_cli.model.open_model import OpenModel
from pythia_cli.tables.item import Item
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.measuring import measured_together, one_for_each
from pythia_cli.tables.running import Measure, RecordsOfItem
from pythia_cli.text.spelling import spelled
from pythia_cli.text.tokenizer import PythiaTokenizer

LENS_COLUMNS: Mapping[str, Kind] = {
    "layer": int,
    "position": int,
    "token": str,
    "token_id": int,
    "target": str,
    "target_id": int,
    "nll": float,
    "rank": int,
    "kl": float,
    "entropy": float,
    "top_tokens": object,
    "top_ids": object,
    "top_probs": object,
}


def lens_measure(options: LensOptions) -> Measure[OpenModel, Item]:
    """What a lens says of the text of each item."""

    def meter(model: OpenModel) -> LensMeter:
        return LensMeter(model, options)

    meter_of = one_for_each(meter)

    def measure(model: OpenModel, items: Sequence[Item]) -> list[RecordsOfItem | PythiaError]:
        def records(texts: list[str]) -> list[RecordsOfItem | PythiaError]:
            return [
                one if isinstance(one, PythiaError) else lens_records(one, model.tokenizer)
                for one in meter_of(model).measure(texts)
            ]

        return measured_together(items, lambda item: item.text(), records)

    return measure


def lens_records(lensed: LensedText, tokenizer: PythiaTokenizer) -> list[dict[str, Any]]:
    """A record for each layer and position, with None where there is no target."""

    def text_of(token_id: int) -> str:
        return spelled(tokenizer.token_bytes(token_id))

    ids, figures = lensed.token_ids.tolist(), lensed.figures
    at, targets = lensed.positions.tolist(), lensed.targets.tolist()
    rows = []
    for layer in range(len(figures.nll)):
        of_layer = (values[layer].tolist() for values in figures)
        for position, target, nll, rank, kl, entropy, top_ids, top_probs in zip(
            at, targets, *of_layer, strict=True
        ):
            has_target = target >= 0
            rows.append(
                {
                    "layer": layer,
                    "position": position,
                    "token": text_of(ids[position]),
                    "token_id": ids[position],
                    "target": text_of(target) if has_target else None,
                    "target_id": target if has_target else None,
                    "nll": nll if has_target else None,
                    "rank": rank if has_target else None,
                    "kl": kl,
                    "entropy": entropy,
                    "top_tokens": [text_of(token_id) for token_id in top_ids],
                    "top_ids": top_ids,
                    "top_probs": top_probs,
                }
            )
    return rows
