"""What a model's branches on the Hub hold, found out from hashes and without a download."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from pythia_cli.checkpoints import hub
from pythia_cli.checkpoints.plan import weights_of
from pythia_cli.errors import NotFound
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.models import repository
from pythia_cli.suite.steps import steps_of

_N_ASKING = 8


@dataclass
class Audit:
    """What was found of one model: steps by what is wrong with them."""

    model: str
    n_branches: int = 0
    no_branch: list[int] = field(default_factory=list)
    no_weights: list[int] = field(default_factory=list)
    same_weights: list[list[int]] = field(default_factory=list)
    """Groups of steps whose weights files have the same sha256."""
    same_shards: list[list[int]] = field(default_factory=list)
    """Groups of steps that share some of their shards, though not all."""


def audit(model: str, progress: Callable[[int], None] = lambda n_steps: None) -> Audit:
    """Ask the Hub for the hashes of every step's weights. Raises as hub.resolve, and NotFound."""
    repo, steps = repository(model), steps_of(model)
    if repo is None or steps is None:
        raise NotFound(f"{model} is not on the Hub", hint="pythia checkpoint audit -m pythia-410m")
    there = set(hub.branches(repo))

    def ask(step: int) -> tuple[str, ...] | None:
        """The sha256 of a step's weights files; none where it has none, None without a branch."""
        name = Checkpoint(model, step).revision
        try:
            hashes = _weights(hub.resolve(repo, name)) if name in there else None
        except NotFound:
            hashes = None
        progress(1)
        return hashes

    with ThreadPoolExecutor(_N_ASKING) as pool:
        asked = dict(zip(steps, pool.map(ask, steps), strict=True))
    found = Audit(model)
    whole: dict[tuple[str, ...], list[int]] = {}
    parts: dict[str, set[int]] = {}
    for step, hashes in asked.items():
        found.n_branches += hashes is not None
        if hashes is None:
            found.no_branch.append(step)
        elif not hashes:
            found.no_weights.append(step)
        else:
            whole.setdefault(hashes, []).append(step)
            for one in hashes:
                parts.setdefault(one, set()).add(step)
    found.same_weights = [group for group in whole.values() if len(group) > 1]
    shared = {tuple(sorted(group)) for group in parts.values() if len(group) > 1}
    found.same_shards = [
        list(group)
        for group in sorted(shared)
        if not any(set(group) <= set(same) for same in found.same_weights)
    ]
    return found


def _weights(revision: hub.Revision) -> tuple[str, ...]:
    """The hashes of what would be downloaded: one file's, or its shards'."""
    for form in weights_of(revision):
        return tuple(sha256 for name in form if (sha256 := revision.files[name].sha256))
    return ()
