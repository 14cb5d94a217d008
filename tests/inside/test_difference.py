"""int8 beside float32: the figures, from values that both models give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pythia_cli
from pythia_cli.errors import UsageError
from pythia_cli.measures.certificate import TextCertifier, certify
from tests.conftest import DEMO

TEXTS = ["It was not", "She was a very good thing to be"]
NAMES = ["blocks.2.attn.hook_attn_scores", "blocks.2.hook_resid_post", "logits"]


def test_figures() -> None:
    with (
        pythia_cli.load("demo", 3000, n_threads=1) as int8,
        pythia_cli.load("demo", 3000, dtype="float32", n_threads=1) as float32,
    ):
        rows = int8.compare_with_float32(TEXTS, NAMES)
        ours, theirs = (model.run(TEXTS, NAMES) for model in (int8, float32))
    assert [row["name"] for row in rows] == NAMES
    for row in rows:
        pairs = [
            (a[row["name"]].ravel(), b[row["name"]].ravel())
            for a, b in zip(ours, theirs, strict=True)
        ]
        found, expected = (np.concatenate(of).astype(np.float64) for of in zip(*pairs, strict=True))
        found, expected = found[np.isfinite(expected)], expected[np.isfinite(expected)]
        off = found - expected
        assert row["n_values"] == len(expected)
        assert row["rms"] == pytest.approx(np.sqrt((expected**2).mean()))
        assert row["rms_error"] == pytest.approx(np.sqrt((off**2).mean()), rel=1e-5)
        assert row["max_error"] == pytest.approx(np.abs(off).max())
        assert row["relative_error"] == pytest.approx(row["rms_error"] / row["rms"])
        cosine = found @ expected / np.linalg.norm(found) / np.linalg.norm(expected)
        assert row["cosine"] == pytest.approx(cosine)
        assert 0 < row["relative_error"] < 0.02
        assert (row["kl_mean"] is None) == (row["name"] != "logits")


def test_logits_have_the_figures_of_a_certificate(tmp_path: Path) -> None:
    """On one window of a text: its logits but the last, which a certificate leaves out."""
    text = (DEMO / "eval.txt").read_text(encoding="utf-8")[:400]
    with (
        pythia_cli.load("demo", 3000, n_threads=1) as int8,
        pythia_cli.load("demo", 3000, dtype="float32", n_threads=1) as float32,
    ):
        n = len(int8.tokenize(text).token_ids)
        (row,) = int8.compare_with_float32([text], "logits", positions=list(range(n - 1)))
        reference = float32.scorer.reference  # type: ignore[attr-defined]
        certifier = TextCertifier(text, "text")
        (expected,) = certify(
            [int8.transformer], reference, int8.tokenizer, certifier.text, certifier.name
        )
    assert row["kl_mean"] == pytest.approx(expected.kl_mean, rel=1e-3)
    assert row["top1_agreement"] == pytest.approx(expected.top1_agreement)


def test_a_model_in_float32_has_nothing_to_be_compared_with() -> None:
    with pythia_cli.load("demo", 3000, dtype="float32") as model, pytest.raises(UsageError):
        model.compare_with_float32(TEXTS, NAMES)
