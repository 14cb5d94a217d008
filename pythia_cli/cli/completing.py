"""Shell completion: names of models and steps.

Runs at each Tab, so it imports nothing slow and raises no errors.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer

from pythia_cli.errors import UsageError

if TYPE_CHECKING:
    from pythia_cli.checkpoints.store import Store

Offer = tuple[str, str]
"""A word, and the description shown beside it."""

# The script that typer installs for zsh evaluates what is offered. Names have none of what a shell
# would act on, and what was typed must not have it either.
_TYPED = re.compile(r"[A-Za-z0-9:,]*")


def models(context: typer.Context, incomplete: str) -> list[Offer]:
    """Models for -m: installed ones first, then published ones."""
    from pythia_cli.suite.models import DEMO, MODELS

    counted: dict[str, int] = {}
    for model, _ in _installed(context):
        counted[model] = counted.get(model, 0) + 1
    offers = [(model, f"{n} installed") for model, n in counted.items()]
    offers += [(model, "published") for model in (DEMO, *MODELS) if model not in counted]
    return _beginning(incomplete, offers)


def published_models(context: typer.Context, incomplete: str) -> list[Offer]:
    """Models that can be downloaded."""
    from pythia_cli.suite.models import MODELS

    return _beginning(incomplete, [(model, "published") for model in MODELS])


def steps(context: typer.Context, incomplete: str) -> list[Offer]:
    """Installed steps of the chosen model."""
    model = _model(context)
    offers = [(str(s), f"{m} installed") for m, s in _installed(context) if m == model]
    return _beginning(incomplete, offers)


def several_steps(context: typer.Context, incomplete: str) -> list[Offer]:
    """Installed steps of the chosen model, if there are any, and what names them all or the last.

    Also after a comma.
    """
    before, comma, last = incomplete.rpartition(",")
    if not _TYPED.fullmatch(before):
        return []
    model = _model(context)
    offers = [(str(s), f"{m} installed") for m, s in _installed(context) if m == model]
    if offers:
        offers = [("installed", "all installed steps"), ("main", "the last step"), *offers]
    return [(before + comma + word, text) for word, text in _beginning(last, offers)]


def published_steps(context: typer.Context, incomplete: str) -> list[Offer]:
    """Steps and sets of steps that can be downloaded; also after a comma."""
    from pythia_cli.suite.checkpoint import Checkpoint
    from pythia_cli.suite.known_problems import known_problem
    from pythia_cli.suite.models import MODELS
    from pythia_cli.suite.steps import STEPS, steps_of

    def described(step: int) -> str:
        return "reported problem" if known_problem(Checkpoint(model, step)) else "step"

    model = _model(context)
    published = (steps_of(model) if model in MODELS else None) or STEPS
    before, comma, last = incomplete.rpartition(",")
    if not _TYPED.fullmatch(before):
        return []
    offers = [("main", "the last step"), ("all", f"all {len(published)}")]
    if published[0] == 0:
        offers.insert(1, ("log", "0, 1, 2, 4 .. 512"))
    offers += [(str(step), described(step)) for step in published]
    return [(before + comma + word, text) for word, text in _beginning(last, offers)]


def checkpoints(context: typer.Context, incomplete: str) -> list[Offer]:
    """Installed steps of the chosen model, then all installed checkpoints as MODEL@STEP."""
    named = [(f"{model}@{step}", "installed") for model, step in _installed(context)]
    return steps(context, incomplete) + _beginning(incomplete, named)


_IN_LAYER = re.compile(r"(blocks\.[0-9]+\.)[A-Za-z0-9_.]*")


def activations(incomplete: str) -> list[Offer]:
    """Names of activations; those in layers once the layer is typed."""
    from pythia_cli.engine.activation_names import names_at_the_ends, names_in_layers

    if (typed := _IN_LAYER.fullmatch(incomplete)) is not None:
        offers = [(typed.group(1) + name, "in this layer") for name in names_in_layers()]
    else:
        offers = [("blocks.0.", "in layer 0"), *((n, "") for n in names_at_the_ends())]
    return _beginning(incomplete, offers)


def _beginning(incomplete: str, offers: Iterable[Offer]) -> list[Offer]:
    return [offer for offer in offers if offer[0].startswith(incomplete)]


def _store(context: Any) -> Store:
    from pythia_cli.checkpoints.store import Store

    return Store((context.params.get("store") if context is not None else None) or None)


def _installed(context: Any) -> list[tuple[str, int]]:
    """(model, step) of installed checkpoints, sorted."""
    try:
        found = [installed.checkpoint for installed in _store(context).installed()]
    except Exception:  # the store cannot be read: offer nothing
        return []
    return [(checkpoint.model, checkpoint.step) for checkpoint in found]


def _model(context: Any) -> str:
    """The model given with -m, or the active one."""
    from pythia_cli.suite.checkpoint import split_name
    from pythia_cli.suite.models import DEMO

    named = context.params.get("model") if context is not None else None
    if named:
        try:
            return split_name(str(named))[0]
        except UsageError:
            return str(named)
    try:
        active = _store(context).active()
    except Exception:  # its file is damaged
        active = None
    return active.model if active is not None else DEMO
