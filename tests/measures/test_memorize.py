"""Memorization against transformers' greedy decoding, and by its definitions."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.engine.greedy import GreedyOptions, GreedyPath, greedy_path_by_passes
from pythia_cli.engine.reference import Reference
from pythia_cli.engine.scorer import Float32Scorer
from pythia_cli.errors import IntegrityError, InvalidValue, PythiaError
from pythia_cli.library.model import Model
from pythia_cli.measures import memorize
from pythia_cli.measures.memorize import (
    MemorizationMeter,
    MemorizationOptions,
    MemorizationTotals,
)
from pythia_cli.measures.quantization_error import near_tie
from pythia_cli.reporting import Task
from tests.conftest import GOLDEN

KL = 1.2e-4
"""Of the demo's certificate (docs/demo.md)."""

NEAR_TIES = {"trained": {11: 11}, "held_out": {14: 23}}
"""Rows that go another way than transformers, and from which token on: a near tie."""


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with pythia_cli.load("demo") as opened:
        yield opened


@pytest.fixture(scope="module")
def golden() -> dict[str, np.ndarray[Any, Any]]:
    with np.load(GOLDEN / "memorize" / "golden.npz") as file:
        return {name: file[name] for name in file.files}


def good(records: list[Any]) -> list[dict[str, Any]]:
    assert all(isinstance(record, dict) for record in records)
    return records


@pytest.mark.parametrize("text", ["trained", "held_out"])
@pytest.mark.parametrize("n", [32, 6])
def test_it_agrees_with_transformers(
    model: Model, golden: dict[str, np.ndarray[Any, Any]], text: str, n: int
) -> None:
    """Row by row, but for listed near ties. The model is the int8 one, dequantized."""
    rows, choices = golden[f"{text}_rows"].astype(int), golden[f"{text}_choices"][:, :n]
    margins = golden[f"{text}_margins"][:, :n]
    records = good(MemorizationMeter(model, MemorizationOptions(32, n)).measure(rows))
    for at, record in enumerate(records):
        tied = NEAR_TIES[text].get(at, n)
        agrees = choices[at] == rows[at, 32 : 32 + n]
        if tied < n:
            assert margins[at, tied] < near_tie(KL, 2)
            assert abs(record["score"] - agrees.mean()) <= (n - tied) / n
            continue
        assert record["score"] == agrees.mean()
        assert record["extractable"] == agrees.all()
        assert record["first_miss"] == (None if agrees.all() else agrees.argmin())
        assert record["margin"] == pytest.approx(margins[at].min(), abs=0.05)
        if n == 32:
            assert record["nll"] == pytest.approx(golden[f"{text}_nll"][at], abs=0.1)
    assert any(record["extractable"] for record in records) == (n == 6)


def test_the_reference_decodes_as_transformers(
    model: Model, golden: dict[str, np.ndarray[Any, Any]]
) -> None:
    scorer = Float32Scorer(Reference.from_int8(model.opened.file))
    for at in (0, 1, 3):
        row = golden["trained_rows"][at].astype(np.int64)
        path = greedy_path_by_passes(scorer, row, GreedyOptions(32, never=0))
        assert (path.token_ids == golden["trained_choices"][at]).all()
        np.testing.assert_allclose(path.margins, golden["trained_margins"][at], atol=1e-4)
        assert path.nll.sum() == pytest.approx(golden["trained_nll"][at], rel=1e-6)


def test_float32_is_near_int8(model: Model, golden: dict[str, np.ndarray[Any, Any]]) -> None:
    rows = golden["held_out_rows"][:2, :44].astype(int)
    options = MemorizationOptions(32, 12)
    with pythia_cli.load("demo", dtype="float32") as float32:
        meter = MemorizationMeter(float32, options)
        assert meter.near_tie == 0
        for ours, theirs in zip(
            good(MemorizationMeter(model, options).measure(rows)),
            good(meter.measure(rows)),
            strict=True,
        ):
            assert ours["first_miss"] == theirs["first_miss"]
            assert ours["nll"] == pytest.approx(theirs["nll"], abs=0.1)
            assert theirs["n_near_ties"] == 0


def test_until_the_first_miss_it_is_the_same(
    model: Model, golden: dict[str, np.ndarray[Any, Any]]
) -> None:
    rows = golden["trained_rows"][:8].astype(int)
    for n in (6, 32):
        whole = good(MemorizationMeter(model, MemorizationOptions(32, n)).measure(rows))
        options = MemorizationOptions(32, n, extractable_only=True)
        for full, short in zip(
            whole, good(MemorizationMeter(model, options).measure(rows)), strict=True
        ):
            for name in ("extractable", "first_miss", "nll"):
                assert short[name] == full[name]
            assert short["score"] == (1.0 if full["extractable"] else None)
            assert short["margin"] >= full["margin"]


def test_a_record_does_not_depend_on_the_others(
    model: Model, golden: dict[str, np.ndarray[Any, Any]]
) -> None:
    rows = golden["trained_rows"].astype(int)
    meter = MemorizationMeter(model)
    together = meter.measure(rows)
    for at in (0, 11, 23):
        assert meter.measure([rows[at].tolist()]) == [together[at]]


def test_the_end_of_text_is_chosen_only_if_it_may_be(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int | None] = []

    def paths(model: Any, rows: Any, options: GreedyOptions, task: Any) -> list[GreedyPath]:
        seen.append(options.never)
        return [GreedyPath(row[32:], np.ones(32, np.float32), np.ones(32)) for row in rows]

    monkeypatch.setattr(memorize, "greedy_paths", paths)
    for end_of_text in (False, True):
        options = MemorizationOptions(end_of_text=end_of_text)
        (record,) = good(MemorizationMeter(model, options).measure([list(range(64))]))
        assert (record["score"], record["extractable"], record["nll"]) == (1.0, True, 32.0)
    assert seen == [model.tokenizer.end_of_text, None]


def test_texts_are_tokenized(model: Model, eval_text: str) -> None:
    text = eval_text[:2000]
    options = MemorizationOptions(8, 4)
    meter = MemorizationMeter(model, options)
    assert meter.measure([text]) == meter.measure([model.tokenizer.encode(text)])


class Counter(Task):
    n = 0

    def advance(self, n: int) -> None:
        self.n += n


def test_bad_rows_are_errors_in_their_place(model: Model) -> None:
    row = list(range(64))
    rows: list[Any] = [
        row[:63],
        row,
        [*row[:40], 4090, *row[41:]],
        [-1, *row[1:]],
        [*row[:63], 2.5],
        [*row[:63], "x"],
        [*row[:63], [1]],
        [*row[:63], None],
        "too short",
        "\ud800" * 80,
        [True] * 64,
        [*row, "behind the continuation"],
    ]
    task = Counter()
    found = MemorizationMeter(model).measure(rows, task)
    reasons = [str(one) if isinstance(one, PythiaError) else None for one in found]
    assert reasons[0] == "row: has 63 tokens; 64 are needed"
    assert reasons[2] == "token 41 has the id 4090; the tokenizer has ids from 0 to 4077"
    assert reasons[3] == "token 1 has the id -1; the tokenizer has ids from 0 to 4077"
    for at in (4, 5, 6, 7, 10):
        assert "whole numbers" in str(reasons[at])
    assert reasons[8] is not None
    assert reasons[9] is not None
    assert found[1] == found[11]
    assert reasons[1] is None
    assert task.n == len(rows)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (MemorizationOptions(0), "prompt"),
        (MemorizationOptions(513), "prompt"),
        (MemorizationOptions(1, 0), "continuation"),
        (MemorizationOptions(500, 14), "continuation"),
        (MemorizationOptions(2.0), "prompt"),  # type: ignore[arg-type]
    ],
)
def test_impossible_options_are_refused(
    model: Model, options: MemorizationOptions, name: str
) -> None:
    with pytest.raises(InvalidValue) as raised:
        MemorizationMeter(model, options)
    assert raised.value.name == name
    MemorizationMeter(model, MemorizationOptions(500, 13))


def test_near_ties_are_known_with_a_certificate_only(
    model: Model, golden: dict[str, np.ndarray[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = golden["trained_rows"][:3].astype(int)
    assert [r["n_near_ties"] for r in good(MemorizationMeter(model).measure(rows))] == [None] * 3
    for kl in (KL, 1e3):
        monkeypatch.setitem(model.opened.installed.manifest, "certificate", {"kl_mean": kl})
        meter = MemorizationMeter(model)
        assert meter.near_tie == near_tie(kl, 2)
        records = good(meter.measure(rows))
        assert [r["n_near_ties"] > 0 for r in records] == [
            r["margin"] <= meter.near_tie for r in records
        ]
    assert [r["n_near_ties"] for r in records] == [32] * 3


def test_a_damaged_model_is_an_error(model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    def paths(*arguments: Any) -> list[GreedyPath]:
        return [GreedyPath(np.arange(32), np.ones(32, np.float32), np.full(32, np.nan))]

    monkeypatch.setattr(memorize, "greedy_paths", paths)
    with pytest.raises(IntegrityError):
        MemorizationMeter(model).measure([list(range(64))])


def test_totals() -> None:
    scores, totals = [0.25, 1.0, 0.0, 0.5], MemorizationTotals()
    for score in scores:
        record = {"score": score, "extractable": score == 1, "n_near_ties": int(4 * score)}
        totals.add(record)
    assert totals.figures() == {
        "n": 4,
        "score": pytest.approx(statistics.mean(scores)),
        "score_stderr": pytest.approx(statistics.stdev(scores) / 2),
        "extractable": 0.25,
        "extractable_stderr": pytest.approx(statistics.stdev([0, 1, 0, 0]) / 2),
        "n_with_near_ties": 3,
    }
    totals.add({"score": None, "extractable": False, "n_near_ties": None})
    figures = totals.figures()
    assert (figures["score"], figures["score_stderr"], figures["n_with_near_ties"]) == (None,) * 3
    assert figures["extractable"] == 0.2
