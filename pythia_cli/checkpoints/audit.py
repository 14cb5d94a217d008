"""Audits a model's branches on the Hub by their hashes, without downloading weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from pythia_cli import settings
from pythia_cli.checkpoints import hub
from pythia_cli.checkpoints.plan import weights_of
from pythia_cli.errors import NotOnHub
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.known_problems import known_problem
from pythia_cli.suite.models import repository
from pythia_cli.suite.steps import steps_of


@dataclass(frozen=True)
class Audit:
    """The result for one model: its steps, grouped by problem."""

    model: str
    n_branches: int
    no_branch: list[int] = field(default_factory=list)
    no_weights: list[int] = field(default_factory=list)
    same_weights: list[list[int]] = field(default_factory=list)
    """Groups of steps whose weights files have the same sha256."""
    same_shards: list[list[int]] = field(default_factory=list)
    """Groups of steps that share some of their shards, but not all."""
    reported: dict[int, str] = field(default_factory=dict)
    """Reported problems by step, including those that hashes cannot show."""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def audit(model: str, *, reporter: Reporter = SILENT) -> Audit:
    """Ask the Hub for the hashes of every step's weights.

    Raises NotOnHub if the model is not published there, BadEnvironment if HF_ENDPOINT is not an
    address, and what hub.resolve raises.
    """
    repo, steps = repository(model), steps_of(model)
    if repo is None or steps is None:
        raise NotOnHub(f"{model} is not on the Hub")
    settings.check_hub_endpoint()
    with reporter.task(f"asking for {model}", len(steps), "steps") as task:
        there = set(hub.branches(repo, reporter=reporter))

        def ask(step: int) -> tuple[str, ...] | None:
            """sha256 of the step's weights files; () if it has none, None if it has no branch."""
            name = Checkpoint(model, step).revision
            try:
                return (
                    _weights(hub.resolve(repo, name, reporter=reporter)) if name in there else None
                )
            except NotOnHub:  # removed since the branches were listed
                return None
            finally:
                task.advance(1)

        found = dict(zip(steps, hub.ask_several(ask, steps), strict=True))
    whole: dict[tuple[str, ...], list[int]] = {}
    parts: dict[str, set[int]] = {}
    for step, hashes in found.items():
        if hashes:
            whole.setdefault(hashes, []).append(step)
        for one in hashes or ():
            parts.setdefault(one, set()).add(step)
    same_weights = [group for group in whole.values() if len(group) > 1]
    shared = sorted({tuple(sorted(group)) for group in parts.values() if len(group) > 1})
    problems = {step: known_problem(Checkpoint(model, step)) for step in steps}
    return Audit(
        model=model,
        n_branches=sum(hashes is not None for hashes in found.values()),
        no_branch=[step for step, hashes in found.items() if hashes is None],
        no_weights=[step for step, hashes in found.items() if hashes == ()],
        same_weights=same_weights,
        same_shards=[
            list(group)
            for group in shared
            if not any(set(group) <= set(same) for same in same_weights)
        ],
        reported={step: problem for step, problem in problems.items() if problem is not None},
    )


def _weights(revision: hub.Revision) -> tuple[str, ...]:
    """The hashes of the weights that would be downloaded: one file or several shards."""
    for form in weights_of(revision):
        return tuple(sha256 for name in form if (sha256 := revision.files[name].sha256))
    return ()
