"""What is reported of the published files: branches with wrong weights or none, and other facts.

Taken from issues of github.com/EleutherAI/pythia (given as numbers), model cards and published
results. Nobody has checked them against the Hub from here, and some may be fixed by now.
`pythia checkpoint audit` shows what the Hub holds today.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.models import MODELS, has_early_steps
from pythia_cli.suite.steps import STEPS

_MOST_LISTED = 6  # steps that a line lists one by one


@dataclass(frozen=True)
class Report:
    """One reported fact, with its source.

    steps: the ones it concerns; None if it concerns the model as a whole. is_problem: whether
    these branches do not hold what their name says.
    """

    models: tuple[str, ...]
    steps: tuple[int, ...] | None
    text: str
    source: str
    is_problem: bool = False

    def __str__(self) -> str:
        return f"{self.text} ({self.source})"

    def concerns(self, checkpoint: Checkpoint) -> bool:
        """Whether it is about this checkpoint."""
        return checkpoint.model in self.models and (
            self.steps is None or checkpoint.step in self.steps
        )


def _every_thousand(*thousands: int) -> tuple[int, ...]:
    return tuple(1000 * thousand for thousand in thousands)


_FINAL_OF_2_8B = (
    *(step for step in STEPS if step <= 53000),
    *_every_thousand(54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65),
    *_every_thousand(70, 80, 90, 100, 103, 110, 120, 130, 140),
)
_WITH_STEP_0 = tuple(model for model in MODELS if has_early_steps(model) and model != "pythia-2.8b")
_SEEDS_OF_203 = ("pythia-160m-weight-seed1", "pythia-160m-weight-seed2")

REPORTS = (
    Report(
        ("pythia-2.8b",),
        _FINAL_OF_2_8B,
        "the weights are those of the end of training",
        "issues 205 and 195",
        is_problem=True,
    ),
    Report(
        ("pythia-2.8b",),
        (143000,),
        "main on the Hub is another file, and which of the two is the end of training is not"
        " known; -c main means step143000 here",
        "issue 205",
    ),
    Report(
        ("pythia-2.8b",),
        tuple(step for step in STEPS if step <= 43000),
        "the published results equal those of pythia-2.8b-deduped",
        "results in evals/pythia-v1",
    ),
    Report(
        ("pythia-12b",),
        (50000, 58000),
        "the first shard is that of the end of training",
        "issue 206",
        is_problem=True,
    ),
    *(
        Report((model,), (step,), "no weights", "issue 202", is_problem=True)
        for model, step in (
            ("pythia-410m-seed9", 40000),
            ("pythia-410m-seed6", 88000),
            ("pythia-410m-seed2", 111000),
        )
    ),
    Report(
        tuple(model for model in _WITH_STEP_0 if model not in _SEEDS_OF_203),
        (0, 1),
        "steps 0 and 1 hold the same values; their sha256 may differ, by the sign of zeros",
        "issues 83 and 203",
    ),
    Report(
        _WITH_STEP_0,
        (2,),
        "whether step 2 holds the values of step 1 is contested: one report says so, but the"
        " published results differ a little",
        "issue 198; results in evals/pythia-v1",
    ),
    Report(
        _SEEDS_OF_203,
        (0,),
        "the later steps do not descend from it",
        "issue 203",
    ),
    Report(
        ("pythia-12b-deduped",),
        (32000,),
        "until June 2023 the file was another step's; older caches hold that one",
        "issue 108",
    ),
    Report(
        ("pythia-14m",),
        None,
        "until 27 February 2026 this address held what is pythia-14m-deduped now; older caches and"
        " copies are of that model",
        "issues and model cards",
    ),
    Report(
        ("pythia-31m",),
        None,
        "the Hub may answer with pythia-31m-deduped; what was downloaded records the repository"
        " that answered",
        "issues and model cards",
    ),
    Report(
        ("pythia-31m",), (0,), "the file is float32, unlike other steps", "issues and model cards"
    ),
    Report(
        tuple(model for model in MODELS if "-deduped" in model),
        tuple(step for step in STEPS if step >= 98000),
        "from about step 98000 the data were seen before in the same run",
        "issue 144",
    ),
    Report(
        ("pythia-6.9b", "pythia-12b"),
        (0, 1),
        "the initialization differs from that of smaller models: a LAMBADA perplexity of 8 (6.9b)"
        " and 12 million (12b), not 3.6",
        "results in evals/pythia-v1",
    ),
    Report(
        tuple(
            f"pythia-{size}{kind}-v0"
            for size in ("160m", "410m", "1.4b")
            for kind in ("", "-deduped")
        ),
        None,
        "a batch had 4 million tokens: a branch's number is twice that of its optimizer steps",
        "the repository's README",
    ),
)
"""All of them: the one list of what is known of the files."""


def reports_about(checkpoint: Checkpoint) -> list[Report]:
    """Everything reported of a checkpoint."""
    return [report for report in REPORTS if report.concerns(checkpoint)]


def reported(checkpoints: Iterable[Checkpoint]) -> dict[Report, list[Checkpoint]]:
    """Everything reported of these checkpoints, and which of them each report concerns."""
    found: dict[Report, list[Checkpoint]] = {}
    for checkpoint in checkpoints:
        for report in reports_about(checkpoint):
            found.setdefault(report, []).append(checkpoint)
    return found


def report_lines(checkpoints: Iterable[Checkpoint]) -> Iterator[str]:
    """What is reported of these checkpoints of one model, a line for each report."""
    for report, concerned in reported(checkpoints).items():
        where, steps = concerned[0].model, [checkpoint.step for checkpoint in concerned]
        if report.steps is not None:
            where += (
                f" step {', '.join(map(str, steps))}"
                if len(steps) <= _MOST_LISTED
                else f", {len(steps)} steps from {min(steps)} to {max(steps)}"
            )
        yield f"{where}: reported: {report}"


def known_problem(checkpoint: Checkpoint) -> str | None:
    """The reported problems of this branch, with their sources; None if there is none."""
    found = [str(report) for report in reports_about(checkpoint) if report.is_problem]
    return "; ".join(found) or None
