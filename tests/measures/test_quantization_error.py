"""The size of near ties, against errors that were drawn."""

from __future__ import annotations

import numpy as np
import pytest

import pythia_cli
from pythia_cli.measures.quantization_error import certified_kl, near_tie
from pythia_cli.release import ARITHMETIC


def test_most_sums_of_drawn_errors_are_within_it() -> None:
    """It is two standard deviations: 95 % of normal errors."""
    rng = np.random.default_rng(0)
    z = rng.normal(0, 2, (4000, 100))
    log_p, log_q = (
        logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        for logits in (z, z + rng.normal(0, 0.02, z.shape))
    )
    kl = float((np.exp(log_p) * (log_p - log_q)).sum(axis=1).mean())
    tokens = [rng.choice(100, p=np.exp(row)) for row in log_p]
    errors = (log_q - log_p)[np.arange(4000), tokens].reshape(200, 20).sum(axis=1)
    share = np.mean(np.abs(errors) < near_tie(kl, 20))
    assert 0.9 < share < 0.99


def test_certified_kl(monkeypatch: pytest.MonkeyPatch) -> None:
    with pythia_cli.load("demo") as exact, pythia_cli.load("demo", precision="fast") as fast:
        assert certified_kl(exact) is certified_kl(fast) is None
        for model in (exact, fast):
            of_fast = {"kl_mean": 2e-4, "arithmetic": ARITHMETIC["fast"]}
            certificate = {"kl_mean": 1e-4, "fast": of_fast}
            monkeypatch.setitem(model.opened.installed.manifest, "certificate", certificate)
        assert (certified_kl(exact), certified_kl(fast)) == (1e-4, 2e-4)
        of_fast.pop("arithmetic")  # measured before there was another version
        assert (certified_kl(exact), certified_kl(fast)) == (1e-4, None)
        monkeypatch.setitem(fast.opened.installed.manifest, "certificate", {"kl_mean": 1e-4})
        assert certified_kl(fast) is None
    with pythia_cli.load("demo", dtype="float32") as float32:
        assert certified_kl(float32) == 0.0
