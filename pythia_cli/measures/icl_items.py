"""In-context learning of texts that are items of a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pythia_cli.errors import PythiaError
from pythia_cli.measures.icl import InContextMeter, InContextOptions
from pythia_cli.model.open_model import OpenModel
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.tables.item import Item
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.measuring import measured_together, one_for_each, one_record_each
from pythia_cli.tables.running import Measure, RecordsOfItem

ICL_COLUMNS: Mapping[str, Kind] = {
    "n_tokens": int,
    "n_windows": int,
    "loss_early": float,
    "loss_late": float,
    "icl": float,
    "stderr": float,
    "int8_error": float,
}


def icl_measure(options: InContextOptions, reporter: Reporter = SILENT) -> Measure[OpenModel, Item]:
    """In-context learning in the text of each item. A text without a window is no error.

    reporter: shows each batch. Raises InvalidValue for options that the model cannot have.
    """

    def meter(model: OpenModel) -> InContextMeter:
        return InContextMeter(model, options)

    meter_of = one_for_each(meter)

    def measure(model: OpenModel, items: Sequence[Item]) -> list[RecordsOfItem | PythiaError]:
        def measure_texts(texts: list[str]) -> list[RecordsOfItem | PythiaError]:
            return one_record_each(meter_of(model).measure(texts, reporter))

        return measured_together(items, lambda item: item.text(may_be_empty=True), measure_texts)

    return measure
