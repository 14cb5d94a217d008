"""One checkpoint's name: a model and a step."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pythia_cli.errors import InvalidName
from pythia_cli.suite.models import DEMO, LOCAL_PREFIX, MODELS, OWNER
from pythia_cli.suite.steps import STEP_NAME, TOKENS_PER_STEP, parse_step, steps_of

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


@dataclass(frozen=True, order=True)
class Checkpoint:
    """One step of one model's training run. The run's end is also the Hub's revision `main`.

    >>> Checkpoint("pythia-410m", 3000).tokens_seen
    6291456000
    """

    model: str
    step: int

    @property
    def revision(self) -> str:
        """The branch of the Hub that holds it: step143000."""
        return f"step{self.step}"

    @property
    def tokens_seen(self) -> int | None:
        """How many tokens training had read by this step; None where we do not know."""
        return self.step * TOKENS_PER_STEP if self.model in MODELS else None

    def __str__(self) -> str:
        return f"{self.model}@{self.step}"


def split_name(text: str) -> tuple[str, str | None]:
    """`MODEL`, `MODEL@STEP`, and either with the Hub's owner (EleutherAI/pythia-410m) before it.

    The step is as written; None where none is named. Raises InvalidName for an empty part.
    """
    model, at, step = text.partition("@")
    if not model or (at and not step):
        raise InvalidName(text, "names no checkpoint; expected MODEL or MODEL@STEP")
    owner, _, name = model.rpartition("/")
    if owner.lower() == OWNER.lower() and name in MODELS:
        model = name
    return model, step if at else None


def parse_name(text: str) -> Checkpoint:
    """`MODEL@STEP`; the model may be a name of the user's own.

    Raises InvalidName where it has no such form, UnknownName where a Pythia has no such step.
    """
    model, step = split_name(text)
    if step is None or not NAME.fullmatch(model):
        raise InvalidName(text, "is no name for a checkpoint; expected MODEL@STEP")
    if model == DEMO or model.startswith(LOCAL_PREFIX):
        raise InvalidName(model, "is a reserved name")
    if steps_of(model) is None and not STEP_NAME.fullmatch(step):
        raise InvalidName(step, "is no step; expected a whole number")
    return Checkpoint(model, parse_step(model, step))
