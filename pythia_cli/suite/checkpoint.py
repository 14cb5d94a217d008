"""One checkpoint's name: a model and a step."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pythia_cli.errors import UsageError
from pythia_cli.suite.models import DEMO, LOCAL_PREFIX, MODELS
from pythia_cli.suite.steps import STEP_NAME, TOKENS_PER_STEP, parse_step, steps_of

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")


@dataclass(frozen=True, order=True)
class Checkpoint:
    """One step of one model's training run. The run's end is also the Hub's revision `main`."""

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


def parse_name(text: str) -> Checkpoint:
    """`MODEL@STEP`, as quantize --as takes it; the model may be a name of the user's own.

    Raises UsageError where it has no such form, UnknownName where a Pythia model has no such step.
    """
    hint = "--as pythia-410m@143000"
    model, at, step = text.partition("@")
    if not at or not NAME.fullmatch(model):
        raise UsageError(f"{text!r} is no name for a checkpoint; expected MODEL@STEP", hint=hint)
    if model == DEMO or model.startswith(LOCAL_PREFIX):
        raise UsageError(f"{model!r} is a reserved name", hint=hint)
    if steps_of(model) is None and not STEP_NAME.fullmatch(step):
        raise UsageError(f"{step!r} is no step; expected a whole number", hint=f"--as {model}@1")
    return Checkpoint(model, parse_step(model, step))
