"""Published results: known figures, and what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pythia_cli.suite import published_results
from pythia_cli.suite.models import MODELS
from pythia_cli.suite.published_results import published_result
from pythia_cli.suite.steps import steps_of


def test_known_figures() -> None:
    """As printed in the result files of EleutherAI/pythia."""
    assert published_result("pythia-410m", 143000, "lambada_openai", "perplexity") == (
        pytest.approx(10.828202624445215),
        pytest.approx(0.32326570778646707, rel=1e-3),
    )
    found = published_result("pythia-70m", 143000, "piqa", "acc_norm")
    assert found is not None
    assert 0.5 < found.value < 0.7


@pytest.mark.parametrize(
    ("model", "step", "task", "metric"),
    [
        ("demo", 3000, "piqa", "acc"),
        ("pythia-410m", 2000, "piqa", "acc"),
        ("pythia-410m", 143000, "piqa", "exact_match"),
        ("pythia-410m", None, "piqa", "acc"),
        (None, None, "piqa", "acc"),
    ],
)
def test_none(model: str | None, step: int | None, task: str, metric: str) -> None:
    assert published_result(model, step, task, metric) is None


def test_all_are_of_published_steps() -> None:
    path = Path(published_results.__file__).with_name("zero_shot.json")
    content = json.loads(path.read_text())
    for model, steps in content["models"].items():
        assert model in MODELS
        assert set(map(int, steps)) <= set(steps_of(model) or ())


def test_those_that_are_another_models_are_left_out() -> None:
    """pythia-2.8b up to step 43000."""
    for step in (0, 1000, 43000):
        assert published_result("pythia-2.8b", step, "piqa", "acc") is None
