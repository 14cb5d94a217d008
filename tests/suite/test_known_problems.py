"""What has been reported of published branches."""

from __future__ import annotations

import pytest

from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.known_problems import known_problem
from pythia_cli.suite.steps import STEPS


@pytest.mark.parametrize(
    ("model", "step", "issue"),
    [
        ("pythia-2.8b", 0, "205"),
        ("pythia-2.8b", 53000, "205"),
        ("pythia-2.8b", 130000, "205"),
        ("pythia-12b", 50000, "206"),
        ("pythia-410m-seed9", 40000, "202"),
        ("pythia-410m", 1, "83"),
    ],
)
def test_reported(model: str, step: int, issue: str) -> None:
    problem = known_problem(Checkpoint(model, step))
    assert problem is not None
    assert issue in problem


@pytest.mark.parametrize(
    ("model", "step"),
    [
        ("pythia-410m", 4),
        ("pythia-410m", 143000),
        ("pythia-2.8b", 66000),
        ("pythia-2.8b", 143000),
        ("pythia-2.8b-deduped", 1000),
        ("pythia-410m-seed9", 41000),
        ("demo", 0),
        ("mine", 0),
    ],
)
def test_not_reported(model: str, step: int) -> None:
    assert known_problem(Checkpoint(model, step)) is None


def test_as_many_as_the_report_counts() -> None:
    """Issue 205: 86 branches of pythia-2.8b, of which 143000 is what it says."""
    bad = [step for step in STEPS if known_problem(Checkpoint("pythia-2.8b", step))]
    assert len(bad) == 85
