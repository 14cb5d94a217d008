"""What each published step should score on plain English: bounds that tell early from late."""

from __future__ import annotations

import math

import pytest

from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.expected_nll import expected_nll
from pythia_cli.suite.models import MODELS
from pythia_cli.suite.steps import steps_of

UNTRAINED = math.log(50304)  # 10.8 nats: all tokens as likely


@pytest.mark.parametrize("model", MODELS)
def test_the_bounds_of_a_run_only_go_down(model: str) -> None:
    steps = steps_of(model)
    assert steps is not None
    bounds = [expected_nll(Checkpoint(model, step)) for step in steps]
    lows = [low for low, _ in bounds]  # type: ignore[misc]
    highs = [high for _, high in bounds]  # type: ignore[misc]
    assert lows == sorted(lows, reverse=True)
    assert highs == sorted(highs, reverse=True)
    assert all(low < high for low, high in zip(lows, highs, strict=True))


@pytest.mark.parametrize("step", [0, 1, 8, 64, 256])
def test_an_early_name_excludes_the_end_of_training(step: int) -> None:
    low, high = expected_nll(Checkpoint("pythia-2.8b", step)) or (0, 0)
    assert low > 5  # about 3 on English, and 4.5 for the smallest model
    assert low < UNTRAINED < high


@pytest.mark.parametrize("step", [1000, 10_000, 143_000])
def test_a_late_name_excludes_an_untrained_model(step: int) -> None:
    low, high = expected_nll(Checkpoint("pythia-14m", step)) or (0, 0)
    assert low < 4.5 < high < UNTRAINED


@pytest.mark.parametrize("model", ["demo", "mine", "local-x-0"])
def test_nothing_is_expected_of_other_models(model: str) -> None:
    assert expected_nll(Checkpoint(model, 0)) is None
