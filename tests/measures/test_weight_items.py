"""The weights of checkpoints as rows of a table: previous steps, threads, memory, bad input."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import InvalidValue
from pythia_cli.measures import weight_items as module
from pythia_cli.measures.weight_figures import weight_figures
from pythia_cli.measures.weight_items import (
    ONE_AT_A_TIME,
    FloatWeights,
    ParameterItems,
    WeightMeasure,
    n_at_a_time,
    weight_columns,
    weight_openers,
)
from pythia_cli.measures.weight_parameters import parameters_of
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.config import ModelConfig
from pythia_cli.tables.layout import RowLayout
from pythia_cli.tables.records import RecordList, Records
from pythia_cli.tables.running import run_items
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.publishing import publish

STEPS = (0, 64, 512)
DENSE = "attention.dense.weight"


@pytest.fixture
def models() -> Iterator[list[pythia_cli.Model]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(pythia_cli.load("demo", step)) for step in STEPS]


def rows_of(
    models: list[pythia_cli.Model], items: ParameterItems, n_threads: int = 1, **how: Any
) -> Records:
    layout = RowLayout.of(items.columns, weight_columns())
    table = RecordList(layout.columns)
    openers: list[Any] = [lambda model=model: contextlib.nullcontext(model) for model in models]
    with WeightMeasure(items, n_threads, **how) as measure:
        run_items(items, table, layout, weight_openers(openers), measure, limits=ONE_AT_A_TIME)
    return table.records


def test_each_is_compared_with_the_one_before(
    models: list[pythia_cli.Model], demo_folder: Callable[[int], Path]
) -> None:
    items = ParameterItems(models[0].config, ["attention.*"])
    rows = rows_of(models, items)
    expected = []
    previous, previous_step = None, None
    for step in STEPS:
        floats = FloatCheckpoint(demo_folder(step))
        for parameter in parameters_of(floats.config, ["attention.*"]):
            for one in weight_figures(floats, parameter, previous):
                named = {"step": step, "layer": parameter.layer, "parameter": parameter.name}
                expected.append({**named, **one.to_dict(), "previous_step": previous_step})
        previous, previous_step = floats, step
    assert [{name: row[name] for name in expected[0]} for row in rows] == expected
    assert {row["precision"] for row in rows} == {"float32"}
    assert list(rows.columns)[:8] == [
        "model", "step", "precision", "item", "layer", "parameter", "part", "shape",
    ]  # fmt: skip


def test_the_number_of_threads_changes_nothing(models: list[pythia_cli.Model]) -> None:
    items = ParameterItems(models[0].config)
    assert rows_of(models, items) == rows_of(models, items, n_threads=4)


def test_singular_values_are_given_in_the_order_of_the_rows(
    models: list[pythia_cli.Model],
) -> None:
    items = ParameterItems(models[0].config, [DENSE, "attention.query_key_value.*"])
    given: list[tuple[int, str]] = []

    def take(weights: FloatWeights, name: str, singular: np.ndarray[Any, Any]) -> None:
        given.append((weights.provenance()["step"], name))
        assert singular.shape == (128,)

    rows_of(models, items, spectra=take)
    own = [
        f"gpt_neox.layers.{layer}.attention.{name}"
        for layer in range(6)
        for name in (
            *(f"query_key_value.weight{p}" for p in ("", ".q", ".k", ".v")),
            "dense.weight",
        )
    ]
    assert given == [(step, name) for step in STEPS for name in own]


def test_no_more_than_two_checkpoints_are_held(models: list[pythia_cli.Model]) -> None:
    openers: list[Any] = [lambda model=model: contextlib.nullcontext(model) for model in models]
    held: list[weakref.ref[FloatWeights]] = []
    for opener in weight_openers(openers):
        with opener() as weights:
            held.append(weakref.ref(weights))
        del weights
        gc.collect()
        assert sum(one() is not None for one in held) <= 2


def test_items() -> None:
    config = ModelConfig(n_layers=2, n_heads=2, d_model=16, d_mlp=40, d_vocab=33, n_ctx=24)
    items = ParameterItems(config, ["embed_*", "*layernorm.bias"])
    assert [(item.number, item.fields["layer"], item.n_bytes) for item in items] == [
        (1, None, 4 * 33 * 16), (2, 0, 64), (3, 0, 64), (4, 1, 64), (5, 1, 64),
        (6, None, 4 * 33 * 16),
    ]  # fmt: skip
    assert items.n_bytes == 8 * 33 * 16 + 4 * 64
    assert ParameterItems(config, ["embed_*"]).columns == {"layer": int, "parameter": str}


def test_large_models_have_fewer_parameters_in_memory() -> None:
    def config(d_model: int) -> ModelConfig:
        return ModelConfig(
            n_layers=1, n_heads=8, d_model=d_model, d_mlp=4 * d_model, d_vocab=50304, n_ctx=2048
        )

    assert n_at_a_time(config(1024), 8) == 8
    assert n_at_a_time(config(5120), 64) == 1
    assert 1 < n_at_a_time(config(2560), 64) < 8


def test_another_shape(
    store: Store, small: FloatCheckpoint, other: FloatCheckpoint, models: list[pythia_cli.Model]
) -> None:
    first, second = Checkpoint("own", 1), Checkpoint("own", 2)
    publish(store, small, first)
    publish(store, other, second)
    opened = [pythia_cli.load("own", step, store=store) for step in (1, 2)]
    items = ParameterItems(opened[0].config, [DENSE])
    says = "checkpoint is 'own@2'; expected one of the same shape as the others"
    with pytest.raises(InvalidValue, match=says):
        rows_of(opened, items)


def test_leaving_it_ends_what_is_measured_ahead(
    models: list[pythia_cli.Model], monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[str] = []
    has_failed = threading.Event()

    def figures(floats: Any, parameter: Any, previous: Any) -> list[Any]:
        if measured:
            assert has_failed.wait(60)
        measured.append(parameter.published)
        return weight_figures(floats, parameter, previous)

    def fail(weights: FloatWeights, name: str, singular: np.ndarray[Any, Any]) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "weight_figures", figures)
    with pytest.raises(KeyboardInterrupt):
        rows_of(models, ParameterItems(models[0].config), spectra=fail)
    has_failed.set()
    for thread in threading.enumerate():
        if thread.name == "pythia-weights":
            thread.join(60)
    assert len(measured) <= 2
