"""What has been reported of published models and branches."""

from __future__ import annotations

import pytest

from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.known_problems import (
    REPORTS,
    known_problem,
    report_lines,
    reports_about,
)
from pythia_cli.suite.models import MODELS
from pythia_cli.suite.steps import STEPS, steps_of


@pytest.mark.parametrize(
    ("model", "step", "issue"),
    [
        ("pythia-2.8b", 0, "205"),
        ("pythia-2.8b", 53000, "205"),
        ("pythia-2.8b", 130000, "205"),
        ("pythia-12b", 50000, "206"),
        ("pythia-410m-seed9", 40000, "202"),
    ],
)
def test_branches_with_wrong_weights_or_none(model: str, step: int, issue: str) -> None:
    problem = known_problem(Checkpoint(model, step))
    assert problem is not None
    assert issue in problem


@pytest.mark.parametrize(
    ("model", "step"),
    [
        ("pythia-410m", 4),
        ("pythia-410m", 143000),
        ("pythia-2.8b", 66000),
        ("pythia-2.8b-deduped", 1000),
        ("pythia-410m-seed9", 41000),
        ("pythia-70m-v0", 1000),
        ("demo", 0),
        ("mine", 0),
    ],
)
def test_not_reported(model: str, step: int) -> None:
    assert reports_about(Checkpoint(model, step)) == []


@pytest.mark.parametrize(
    ("model", "step", "words"),
    [
        ("pythia-2.8b", 143000, "main on the Hub is another file"),
        ("pythia-410m", 0, "steps 0 and 1 hold the same values"),
        ("pythia-410m", 1, "steps 0 and 1 hold the same values"),
        ("pythia-410m", 2, "contested"),
        ("pythia-160m-weight-seed1", 0, "do not descend"),
        ("pythia-12b-deduped", 32000, "until June 2023"),
        ("pythia-14m", 1000, "pythia-14m-deduped"),
        ("pythia-31m", 0, "float32"),
        ("pythia-70m-deduped", 98000, "seen before"),
        ("pythia-70m-deduped-v0", 143000, "seen before"),
        ("pythia-6.9b", 0, "initialization"),
        ("pythia-1.4b-deduped-v0", 1000, "twice that of its optimizer steps"),
    ],
)
def test_other_facts_are_no_problem_of_the_branch(model: str, step: int, words: str) -> None:
    checkpoint = Checkpoint(model, step)
    assert words in "; ".join(map(str, reports_about(checkpoint)))
    assert known_problem(checkpoint) is None


def test_facts_that_exclude_each_other() -> None:
    assert "hold the same values" not in str(
        reports_about(Checkpoint("pythia-160m-weight-seed1", 0))
    )
    assert "hold the same values" not in str(reports_about(Checkpoint("pythia-2.8b", 0)))
    assert reports_about(Checkpoint("pythia-70m-deduped", 97000)) == []


def test_every_report_has_a_source_and_is_about_published_checkpoints() -> None:
    for report in REPORTS:
        assert report.source
        assert str(report).endswith(f"({report.source})")
        assert report.models
        for model in report.models:
            assert model in MODELS
            assert set(report.steps or ()) <= set(steps_of(model) or ())


def test_as_many_as_the_report_counts() -> None:
    """Issue 205: 86 branches of pythia-2.8b, of which 143000 is what it says."""
    bad = [step for step in STEPS if known_problem(Checkpoint("pythia-2.8b", step))]
    assert len(bad) == 85


def test_one_line_for_each_report() -> None:
    lines = list(report_lines(Checkpoint("pythia-2.8b", step) for step in STEPS))
    assert [line.split(": reported: ")[0] for line in lines] == [
        "pythia-2.8b, 85 steps from 0 to 140000",
        "pythia-2.8b, 54 steps from 0 to 43000",
        "pythia-2.8b step 143000",
    ]
    (line,) = report_lines([Checkpoint("pythia-410m", step) for step in (0, 1, 4)])
    assert line.startswith("pythia-410m step 0, 1: reported: steps 0 and 1 hold the same values")
    (line,) = report_lines([Checkpoint("pythia-14m", step) for step in (4, 8)])
    assert line.startswith("pythia-14m: reported: until 27 February 2026")
