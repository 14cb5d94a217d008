"""Curves of the rows of a sweep."""

from __future__ import annotations

import random

import pytest

from pythia_cli.errors import InputError, InvalidValue, UnknownName
from pythia_cli.suite.steps import STEPS, TOKENS_PER_STEP
from pythia_cli.sweeps.curves import curves_of, short_names
from tests.sweeps.sweep_rows import curve, row, sweep

MODELS = ["pythia-70m", "pythia-160m"]


def test_a_curve_of_each_model_sorted_by_step() -> None:
    rows = sweep(MODELS, STEPS)
    random.Random(1).shuffle(rows)
    curves = curves_of(rows, measure="pairs", figure="accuracy")
    assert sorted(curve.label for curve in curves) == ["pythia-160m", "pythia-70m"]
    assert [[point.x for point in curve.points] for curve in curves] == [list(STEPS)] * 2
    assert {curve.group for curve in curves} == {None}


def test_the_first_figure_of_each_measure_and_no_certificate() -> None:
    rows = sweep(MODELS, [0, 1], certified=True)
    assert {(c.measure, c.figure) for c in curves_of(rows)} == {
        ("pairs", "accuracy"),
        ("perplexity", "perplexity"),
    }
    only = [row for row in rows if row["measure"] == "certificate"]
    assert {c.figure for c in curves_of(only)} == {"kl_mean"}
    (first, _) = curves_of(rows, measure="certificate", figure="top1_agreement")
    assert first.points[0].stderr is None


def test_labels_have_what_differs() -> None:
    rows = sweep(["pythia-70m"], [0, 1])
    assert [c.label for c in curves_of(rows, measure="pairs", group="*")] == [
        "anaphor_agreement", "npi_licensing", "island_effects",
    ]  # fmt: skip
    rows = [row(model, input=text) for model in MODELS for text in ("a", "b")]
    assert [c.label for c in curves_of(rows)] == [f"{m}, {t}" for m in MODELS for t in "ab"]
    rows = [row(), row(precision="float32", quantization=None)]
    assert [c.label for c in curves_of(rows)] == ["exact", "float32"]
    rows = [row(quantization="a"), row(step=1, quantization="b"), row(step=2, quantization=None)]
    assert [c.label for c in curves_of(rows)] == ["a", "b", "not quantized"]
    assert [c.label for c in curves_of([row(group=""), row(group="x")], group="*")] == [
        "(empty)", "x",
    ]  # fmt: skip


def test_several_names_and_patterns() -> None:
    rows = [row(input=name) for name in ("blimp/a", "blimp/b", "zorro", "[x]*")]
    assert [c.input for c in curves_of(rows, input=["zorro", "blimp/a"])] == ["blimp/a", "zorro"]
    assert [c.input for c in curves_of(rows, input="blimp/*")] == ["blimp/a", "blimp/b"]
    assert [c.input for c in curves_of(rows, input="[x]*")] == ["[x]*"]


@pytest.mark.parametrize(
    ("choice", "nearest"),
    [
        ({"measure": "pears"}, ["pairs"]),
        ({"input": "blimp.json"}, ["blimp.jsonl"]),
        ({"group": "npi"}, ["npi_licensing"]),
        ({"figure": "acuracy"}, ["accuracy"]),
        ({"measure": "perplexity", "figure": "accuracy"}, ["perplexity"]),
        ({"measure": ["pairs", "x"]}, ["perplexity"]),
    ],
)
def test_an_unknown_name_has_the_nearest(choice: dict[str, str], nearest: list[str]) -> None:
    with pytest.raises(UnknownName) as error:
        curves_of(sweep(MODELS, [0]), **choice)  # type: ignore[arg-type]
    assert error.value.nearest == nearest


def test_what_is_missing_is_a_gap() -> None:
    values = [0.5, None, float("nan"), 0.6, 0.7, float("inf"), 0.8]
    (found,) = curves_of([row(step=i, value=value) for i, value in enumerate(values)])
    assert [p.value for p in found.points] == [0.5, None, None, 0.6, 0.7, None, 0.8]
    assert [[p.x for p in stretch] for stretch in found.stretches] == [[0], [3, 4], [6]]
    assert curves_of([row(value=None)])[0].stretches == []


def test_tokens() -> None:
    (found,) = curves_of(curve(0.7, steps=[0, 1000]), x="tokens")
    assert [p.x for p in found.points] == [0, 1000 * TOKENS_PER_STEP]
    with pytest.raises(InvalidValue, match="mine has seen is not known"):
        curves_of([row("mine", tokens_seen=None)], x="tokens")
    with pytest.raises(InvalidValue, match="step or tokens"):
        curves_of([], x="time")  # type: ignore[arg-type]


def test_two_values_of_one_point() -> None:
    assert len(curves_of([row(), row()])[0].points) == 1
    with pytest.raises(InputError, match="pythia-70m@3: has two values of accuracy of pairs, b"):
        curves_of([row(step=3, value=value, input="b") for value in (0.5, 0.6)])


def test_no_rows() -> None:
    assert curves_of([]) == []


def test_as_json() -> None:
    record = curves_of([row(step=3)])[0].to_dict()
    assert record["points"] == [{"x": 3, "value": 0.5, "stderr": 0.02}]
    assert record["x_axis"] == "step"


def test_a_measure_with_groups_only() -> None:
    rows = [row(group="a", measure="eval"), row(group="b", measure="eval"), row(), row(group="c")]
    assert [(c.measure, c.group) for c in curves_of(rows)] == [
        ("eval", "a"), ("eval", "b"), ("pairs", None),
    ]  # fmt: skip


def test_labels_leave_out_what_all_inputs_share() -> None:
    shared = [row(input=f"stimuli/blimp/{name}.jsonl") for name in ("wh_island", "npi")]
    assert [curve.label for curve in curves_of(shared)] == ["wh_island", "npi"]
    assert short_names({"a.tsv", "b.csv"}) == {"a.tsv": "a.tsv", "b.csv": "b.csv"}
    assert short_names({"x/a.tsv"}) == {"x/a.tsv": "x/a.tsv"}
    assert short_names({"x/.tsv", "x/y.tsv"}) == {"x/.tsv": ".tsv", "x/y.tsv": "y.tsv"}
