"""BLiMP against lm-evaluation-harness (--model hf, float32) and minicons, on the demo."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.checkpoints.store import Store
from pythia_cli.library.model import Model
from pythia_cli.measures.certificate import TextCertifier
from pythia_cli.measures.pairs import MinimalPair, PairMeter
from pythia_cli.measures.quantization_error import near_tie
from tests.golden_measures import GOLDEN, golden_blimp

N = 100
"""Pairs of each file that are kept here."""


@cache
def pairs() -> list[MinimalPair]:
    """The first pairs of each file, in the order of the golden data."""
    found = []
    for uid in golden_blimp()["uid"].tolist():
        path = GOLDEN / "blimp" / f"{uid}.jsonl"
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        found += [MinimalPair(row["sentence_good"], row["sentence_bad"]) for row in rows]
    assert len(found) == 8 * N
    return found


def golden(name: str) -> np.ndarray[Any, Any]:
    """A golden array of these pairs: [800] or [800, 2]."""
    values = golden_blimp()[name][:, :N]
    return values.reshape(-1, *values.shape[2:])


def measured(model: Model, leading_space: bool) -> tuple[np.ndarray[Any, Any], Any]:
    records: list[Any] = PairMeter(model, leading_space=leading_space).measure(pairs())
    logprobs = [[record["logprob_good"], record["logprob_bad"]] for record in records]
    return np.array(logprobs), records


def test_float32_is_lm_eval_and_minicons() -> None:
    with pythia_cli.load("demo", dtype="float32", n_threads=1) as model:
        spaced, records = measured(model, leading_space=True)
        plain, _ = measured(model, leading_space=False)
    np.testing.assert_allclose(spaced, golden("logprob"), rtol=0, atol=2e-4)
    np.testing.assert_allclose(plain, golden("logprob_no_space"), rtol=0, atol=2e-4)
    assert [record["correct"] for record in records] == golden("correct").tolist()
    n_tokens = [[record["n_tokens_good"], record["n_tokens_bad"]] for record in records]
    assert n_tokens == golden("n_tokens").tolist()


@pytest.fixture(scope="module", params=["exact", "fast"])
def certified(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, eval_text: str
) -> Iterator[Model]:
    """The demo, certified on its evaluation text."""
    folder = tmp_path_factory.mktemp("certified")
    store = Store(folder / "store")
    with pythia_cli.load("demo", store=store, precision=request.param, n_threads=1) as model:
        source = model.opened.float_checkpoint()
        certifier = TextCertifier(eval_text[:30_000], "eval.txt")
        weights = model.opened.installed.weights
        model.opened.installed.manifest["certificate"] = certifier.certify(
            source, weights, 1, model.reporter
        )
        yield model


def test_int8_decides_otherwise_only_where_it_says_near_tie(certified: Model) -> None:
    logprobs, records = measured(certified, leading_space=True)
    unlike = [i for i, record in enumerate(records) if record["correct"] != golden("correct")[i]]
    assert all(records[i]["near_tie"] for i in unlike)
    near = np.mean([record["near_tie"] for record in records])
    assert near < 0.1
    # Two standard deviations of normal errors would be 0.95. These sentences are less like what the
    # demo was trained on than the text of the certificate, so that they err more.
    certificate = certified.opened.installed.certificate
    assert certificate is not None
    figures = certificate["fast"] if certified.precision == "fast" else certificate
    n_tokens = golden("n_tokens")
    sd = [near_tie(figures["kl_mean"], int(n)) for n in n_tokens.reshape(-1)]
    errors = np.abs(logprobs - golden("logprob")).reshape(-1)
    assert 0.8 < np.mean(errors < sd) < 0.98
