"""In-context learning, against a plain computation from the logits."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch

import pythia_cli
from pythia_cli.engine.scores import Scores
from pythia_cli.errors import InputError, IntegrityError, InvalidValue
from pythia_cli.library.model import Model
from pythia_cli.measures import icl
from pythia_cli.measures.icl import InContextMeter, InContextOptions, InContextTotals
from pythia_cli.measures.quantization_error import near_tie
from pythia_cli.reporting import Reporter, Task

Open = Callable[[str], Model]


@pytest.fixture(scope="module")
def opened() -> Iterator[Open]:
    """opened(dtype): the demo, opened once."""
    models: dict[str, Model] = {}

    def model_of(dtype: Any) -> Model:
        if dtype not in models:
            models[dtype] = pythia_cli.load("demo", dtype=dtype)
        return models[dtype]

    yield model_of
    for model in models.values():
        model.close()


def good(records: Sequence[Any]) -> list[dict[str, Any]]:
    assert all(isinstance(record, dict) for record in records)
    return list(records)


def plain_losses(model: Model, text: str, options: InContextOptions) -> np.ndarray[Any, Any]:
    """[n_windows, 2]: the loss of the early and of the late token, by torch, from all logits."""
    ids = model.tokenizer.encode(text).tolist()
    found = []
    while len(ids) >= options.late:
        window, ids = ids[: options.late], ids[options.late :]
        sequence = [model.tokenizer.end_of_text, *window] if options.bos else window
        logits = torch.from_numpy(model.logits(sequence[:-1])).double()
        losses = torch.nn.functional.cross_entropy(
            logits, torch.tensor(sequence[1:]), reduction="none"
        ).tolist()
        losses = losses if options.bos else [math.nan, *losses]
        found.append([losses[options.early - 1], losses[options.late - 1]])
    return np.array(found)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize(
    ("options", "n_characters"),
    [
        (InContextOptions(), 10_000),
        (InContextOptions(5, 60), 4_000),
        (InContextOptions(1, 2), 200),
        (InContextOptions(2, 33, bos=False), 1_000),
        (InContextOptions(50, 513, bos=False), 6_000),
    ],
)
def test_it_is_what_the_logits_say(
    opened: Open, eval_text: str, dtype: str, options: InContextOptions, n_characters: int
) -> None:
    model, text = opened(dtype), eval_text[:n_characters]
    losses = plain_losses(model, text, options)
    differences = losses[:, 1] - losses[:, 0]
    (record,) = good(InContextMeter(model, options).measure([text]))
    assert record["n_tokens"] == len(model.tokenizer.encode(text))
    assert record["n_windows"] == len(losses) == record["n_tokens"] // options.late > 1
    assert record["loss_early"] == pytest.approx(losses[:, 0].mean(), abs=1e-6)
    assert record["loss_late"] == pytest.approx(losses[:, 1].mean(), abs=1e-6)
    assert record["icl"] == pytest.approx(differences.mean(), abs=1e-6)
    error = statistics.stdev(differences) / math.sqrt(len(losses))
    assert record["stderr"] == pytest.approx(error, rel=1e-5)


def test_what_is_repeated_is_learnt_from_the_context(opened: Open) -> None:
    text = "Elizabeth gave the letter to Mr. Collins in the garden. " * 20
    n = len(opened("int8").tokenizer.encode(text)) // 20
    options = InContextOptions(2, 2 + 18 * n)
    (record,) = good(InContextMeter(opened("int8"), options).measure([text]))
    assert record["icl"] < -1
    assert record["stderr"] is None  # there is one window


def test_a_record_does_not_depend_on_the_others(opened: Open, eval_text: str) -> None:
    texts = [eval_text[at : at + 900] for at in range(0, 5400, 900)]
    meter = InContextMeter(opened("int8"), InContextOptions(5, 60))
    together = meter.measure(texts)
    assert [meter.measure([text])[0] for text in texts] == together


def test_texts_without_a_window(opened: Open) -> None:
    records = good(InContextMeter(opened("int8")).measure(["", "It was not."]))
    assert [(record["n_tokens"], record["n_windows"]) for record in records] == [(0, 0), (4, 0)]
    for record in records:
        assert list(record.values())[2:] == [None] * 5
    assert InContextMeter(opened("int8")).measure([]) == []


def test_what_cannot_be_tokenized_is_an_error_in_its_place(opened: Open, eval_text: str) -> None:
    first, second, third = InContextMeter(opened("int8"), InContextOptions(5, 60)).measure(
        ["It was", "\ud800", eval_text[:300]]
    )
    assert isinstance(second, InputError)
    assert [one["n_windows"] for one in good([first, third])] == [0, 1]


def test_a_damaged_model_is_an_error(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    def scores(texts: Any, *more: Any) -> Iterator[Scores]:
        for _ in texts:
            yield Scores(np.array([1.0, math.nan]), *[np.zeros(2)] * 3)

    monkeypatch.setattr(icl, "score_texts", scores)
    with pytest.raises(IntegrityError):
        InContextMeter(opened("int8"), InContextOptions(2, 4)).measure(["It was not his own."])


def test_progress_is_in_tokens_that_are_scored(opened: Open, eval_text: str) -> None:
    class Counter(Reporter, Task):
        n = 0

        def task(self, label: str, total: int, unit: str) -> Task:
            self.total = total
            return self

        def advance(self, amount: int) -> None:
            self.n += amount

    for dtype in ("int8", "float32"):
        seen = Counter()
        meter = InContextMeter(opened(dtype), InContextOptions(5, 60))
        (record,) = good(meter.measure([eval_text[:1500]], seen))
        assert seen.n == seen.total == 2 * record["n_windows"] > 2


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (InContextOptions(0), "early is 0; expected a whole number, 1 or more"),
        (InContextOptions(1, bos=False), "early is 1; expected 2 or more"),
        (InContextOptions(50, 50), "late is 50; expected more than the early token, 50"),
        (InContextOptions(50, -1), "late is -1"),
        (InContextOptions(50.5), r"early is 50\.5"),  # type: ignore[arg-type]
        (InContextOptions(50, 513), "late is 513; expected 512 or less in a context of 512"),
        (InContextOptions(50, 514, bos=False), "late is 514; expected 513 or less"),
    ],
)
def test_impossible_options_are_refused(opened: Open, options: InContextOptions, says: str) -> None:
    with pytest.raises(InvalidValue, match=says):
        InContextMeter(opened("int8"), options)
    assert InContextMeter(opened("int8"), InContextOptions(50, 512))


def test_what_int8_may_have_moved(
    opened: Open, eval_text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error of a certificate is that of the difference to float32, on the demo."""
    model, options = opened("int8"), InContextOptions(5, 60)
    text = eval_text[:20_000]
    (bare,) = good(InContextMeter(model, options).measure([text]))
    assert bare["int8_error"] is None
    monkeypatch.setitem(model.opened.installed.manifest, "certificate", {"kl_mean": 1.2e-4})
    (record,) = good(InContextMeter(model, options).measure([text]))
    n = record["n_windows"]
    assert record["int8_error"] == near_tie(1.2e-4, 2 * n) / n
    (float32,) = good(InContextMeter(opened("float32"), options).measure([text]))
    assert float32["int8_error"] == 0
    assert 0 < abs(record["icl"] - float32["icl"]) < record["int8_error"]


def record_of(differences: Sequence[float], early: float = 3.0, error: float | None = None) -> Any:
    """The record of a text with these differences of losses."""
    n = len(differences)
    return {
        "n_windows": n,
        "icl": statistics.mean(differences) if n else None,
        "loss_early": early if n else None,
        "loss_late": early + statistics.mean(differences) if n else None,
        "stderr": statistics.stdev(differences) / math.sqrt(n) if n > 1 else None,
        "int8_error": error if n else None,
    }


def test_totals_are_over_all_windows() -> None:
    numbers = random.Random(0)
    groups = [[numbers.gauss(-0.5, 4) for _ in range(n)] for n in (1, 7, 0, 300, 2, 1)]
    totals, kl = InContextTotals(), 1e-4
    for i, group in enumerate(groups):
        n = max(len(group), 1)
        totals.add(record_of(group, early=float(i), error=near_tie(kl, 2 * n) / n))
    every = [one for group in groups for one in group]
    early = sum(i * len(group) for i, group in enumerate(groups)) / len(every)
    assert totals.figures() == {
        "n": 311,
        "icl": pytest.approx(statistics.mean(every)),
        "stderr": pytest.approx(statistics.stdev(every) / math.sqrt(311)),
        "loss_early": pytest.approx(early),
        "loss_late": pytest.approx(early + statistics.mean(every)),
        "int8_error": pytest.approx(near_tie(kl, 2 * 311) / 311),
        "n_texts": 6,
        "n_short": 1,
    }
    totals.add(record_of([1.0]))
    assert totals.figures()["int8_error"] is None


def test_totals_of_nothing() -> None:
    totals = InContextTotals()
    totals.add(record_of([]))
    none = dict.fromkeys(["icl", "stderr", "loss_early", "loss_late", "int8_error"])
    assert totals.figures() == {"n": 0, **none, "n_texts": 1, "n_short": 1}
