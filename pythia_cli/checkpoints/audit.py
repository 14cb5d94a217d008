"""Audits a model's branches on the Hub by their hashes, without downloading weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pythia_cli import settings
from pythia_cli.checkpoints import hub
from pythia_cli.checkpoints.hub_revision import Revision
from pythia_cli.checkpoints.plan import weights_of
from pythia_cli.errors import NotOnHub
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.known_problems import reported
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
    main_differs: bool = False
    """Whether a weights file of the branch main is not that of the last step."""
    answered_by: str | None = None
    """The repository that the Hub answered for, if it is not the one asked for."""
    reported: dict[int, str] = field(default_factory=dict)
    """What is reported, by step, including what hashes cannot show."""
    notes: list[str] = field(default_factory=list)
    """What is reported of the model as a whole."""

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
    settings.check_hub_variables()
    with reporter.task(f"asking for {model}", len(steps), "steps") as task:
        there = set(hub.branches(repo, reporter=reporter))

        def ask(name: str) -> Revision | None:
            """A branch; None if there is none."""
            try:
                return hub.resolve(repo, name, reporter=reporter) if name in there else None
            except NotOnHub:  # removed since the branches were listed
                return None

        def ask_step(step: int) -> Revision | None:
            try:
                return ask(Checkpoint(model, step).revision)
            finally:
                task.advance(1)

        branches = dict(zip(steps, hub.ask_several(ask_step, steps), strict=True))
        main = ask("main")
    found = {step: _weights(branch) if branch else None for step, branch in branches.items()}
    answered_by = {branch.answered_by for branch in branches.values() if branch is not None}
    whole: dict[tuple[str, ...], list[int]] = {}
    parts: dict[str, set[int]] = {}
    for step, hashes in found.items():
        if hashes:
            whole.setdefault(hashes, []).append(step)
        for one in hashes or ():
            parts.setdefault(one, set()).add(step)
    same_weights = [group for group in whole.values() if len(group) > 1]
    shared = sorted({tuple(sorted(group)) for group in parts.values() if len(group) > 1})
    of_model, of_steps = _reported(model, steps)
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
        main_differs=_differ(main, branches[steps[-1]]),
        answered_by=next((other for other in answered_by if other is not None), None),
        reported=of_steps,
        notes=of_model,
    )


def _reported(model: str, steps: Sequence[int]) -> tuple[list[str], dict[int, str]]:
    """What is reported of a model as a whole, and of its steps."""
    of_model: list[str] = []
    of_steps: dict[int, list[str]] = {}
    for report, concerned in reported(Checkpoint(model, step) for step in steps).items():
        if report.steps is None:
            of_model.append(str(report))
            continue
        for checkpoint in concerned:
            of_steps.setdefault(checkpoint.step, []).append(str(report))
    return of_model, {step: "; ".join(of_steps[step]) for step in sorted(of_steps)}


def _differ(one: Revision | None, other: Revision | None) -> bool:
    """Whether two branches have a file of weights of the same name and another sha256."""
    if one is None or other is None:
        return False
    names = {name for form in weights_of(one) for name in form} & other.files.keys()
    pairs = [(one.files[name].sha256, other.files[name].sha256) for name in names]
    return any(a is not None and b is not None and a != b for a, b in pairs)


def _weights(revision: Revision) -> tuple[str, ...]:
    """The hashes of the weights that would be downloaded: one file or several shards."""
    for form in weights_of(revision):
        return tuple(sha256 for name in form if (sha256 := revision.files[name].sha256))
    return ()
