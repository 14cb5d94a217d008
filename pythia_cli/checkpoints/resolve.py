"""Finds the checkpoint that a name means."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pythia_cli.checkpoints.demo import DEFAULT
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.errors import InvalidName, UnknownName, UsageError
from pythia_cli.suite.checkpoint import Checkpoint, is_address, split_name
from pythia_cli.suite.models import DEMO, MODELS, nearest_models
from pythia_cli.suite.steps import parse_step, steps_of


def is_local_folder(name: str, store: Store) -> bool:
    """Whether the name means a local folder: a path, or a folder here that no model is called like.

    MODEL and MODEL@STEP are not paths, and the model comes first. With a slash, an existing folder
    comes before a repository on the Hub, as in transformers.
    """
    if not name or is_address(name):
        return False
    is_path = "/" in name or "\\" in name or name in (".", "..")
    if not is_path:
        model = name.partition("@")[0]
        if model == DEMO or model in MODELS or store.has_model(model):
            return False
    if os.path.isdir(name):  # Path.is_dir raises OSError for a name that is too long
        return True
    return is_path and split_name(name)[0] not in MODELS


def resolve(model: str | None, step: str | int | None, store: Store) -> Checkpoint:
    """The checkpoint of a model's name and a step. It need not be installed.

    model: pythia-410m, EleutherAI/pythia-410m, pythia-410m@3000, demo, or an installed name; None:
    the active model. step: 3000, step3000 or main; None: the last step of the model, or the active
    checkpoint if model is None too. Raises UnknownName, with the nearest names, and UsageError if
    two steps are named.
    """
    if model == "" or step == "":
        raise InvalidName("", "is not a checkpoint; expected MODEL or MODEL@STEP")
    if model is None:
        active = store.active() or DEFAULT
        if step is None:
            return active
        model = active.model
    else:
        whole = model
        model, named = split_name(whole)
        if named is not None and step is not None:
            raise UsageError(f"{whole!r} names one step and {step!r} another; name only one")
        step = named if named is not None else step
    text = str(step) if step is not None else "main"
    if model != DEMO and model not in MODELS:
        installed = [i.checkpoint for i in store.installed()]
        own = sorted(c.step for c in installed if c.model == model)
        if not own:
            models = sorted({c.model for c in installed})
            raise UnknownName("model", model, nearest_models(model, models))
        if text == "main":
            return Checkpoint(model, own[-1])
    return Checkpoint(model, parse_step(model, text))


def resolve_model(model: str | None, store: Store) -> str:
    """As `resolve`, for a model without a step. Raises UsageError if a step is named too."""
    if model is not None:
        _, step = split_name(model)
        if step is not None:
            raise UsageError(f"{model!r} includes a step; expected only a model")
    return resolve(model, None, store).model


def choose_installed(words: Sequence[str], model: str | None, store: Store) -> list[Installed]:
    """The installed checkpoints that the words name.

    A word is MODEL@STEP, or steps of `model` (None: the active model) as in step_sets.py. A single
    step must be installed; a list, range or set gives those of its steps that are installed.
    Without words: all checkpoints of `model`, which may be MODEL@STEP, or of the store if it is
    None. Raises UnknownName, NotInstalled, UsageError.
    """
    from pythia_cli.suite.step_sets import parse_steps

    everything = store.installed()
    if not words:
        if model is None:
            return everything
        if split_name(model)[1] is not None:
            return [store.get(resolve(model, None, store))]
        named = resolve(model, None, store).model
        return [i for i in everything if i.checkpoint.model == named]
    chosen: dict[Checkpoint, Installed] = {}
    for word in words:
        before, at, step = word.rpartition("@")
        if at and model is not None:
            raise UsageError(f"{word!r} and {model!r} both name a model; name it once")
        of = resolve_model(before if at else model, store)
        own = {i.checkpoint.step: i for i in everything if i.checkpoint.model == of}
        if steps_of(of) is None and step in ("all", "main"):
            found = sorted(own) if step == "all" else sorted(own)[-1:]
        else:
            found = parse_steps(of, [step])
        if len(found) == 1:
            store.get(Checkpoint(of, found[0]))
        chosen.update({own[s].checkpoint: own[s] for s in found if s in own})
    return list(chosen.values())
