"""The name of a checkpoint: model and step."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from pythia_cli import settings
from pythia_cli.errors import InvalidName
from pythia_cli.suite.models import DEMO, LOCAL_PREFIX, MODELS, OWNER
from pythia_cli.suite.steps import STEP_NAME, TOKENS_PER_STEP, parse_step, steps_of

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}")
"""What a model in the store may be called. New names have more rules: see parse_name."""
_DEVICE = re.compile(r"(con|nul|aux|prn|com[0-9]|lpt[0-9])(\..*)?")
_PAGE = re.compile(
    r"https?://(\[[^/@]+\]|[^/:@]+)(?::[0-9]+)?/([^/]+/[^/@?#]+)(?:(?:/tree/|@)([^/?#]+))?/?(?:[?#].*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, order=True)
class Checkpoint:
    """One step of a model's training run. The last step is also the Hub's revision `main`.

    >>> Checkpoint("pythia-410m", 3000).tokens_seen
    6291456000
    """

    model: str
    step: int

    @property
    def revision(self) -> str:
        """Its branch on the Hub: step143000."""
        return f"step{self.step}"

    @property
    def tokens_seen(self) -> int | None:
        """The number of training tokens up to this step; None if unknown."""
        return self.step * TOKENS_PER_STEP if self.model in MODELS else None

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the fields that name a checkpoint in every record."""
        return {
            "model": self.model,
            "checkpoint": self.revision,
            "step": self.step,
            "tokens_seen": self.tokens_seen,
        }

    def __str__(self) -> str:
        return f"{self.model}@{self.step}"


def split_name(text: str) -> tuple[str, str | None]:
    """Split `MODEL` or `MODEL@STEP`; removes the Hub's owner (EleutherAI/pythia-410m).

    The address of a Pythia's page on the Hub, or of one of its branches, is such a name too.
    Returns the model and the step as written, None if there is none; any other address is a model
    that nobody has. Raises InvalidName if a part is empty.
    """
    if is_address(text):  # whose @ may belong to a user's name
        page = _PAGE.fullmatch(text)
        if page is not None and page[1].strip("[]").lower() in settings.hub_hosts():
            named, step = _without_owner(page[2]), page[3]
            if named in MODELS:
                return named, step
        return text, None
    model, at, step = text.partition("@")
    if not model or (at and not step):
        raise InvalidName(text, "is not a checkpoint; expected MODEL or MODEL@STEP")
    return _without_owner(model), step if at else None


def is_address(text: str) -> bool:
    """Whether this is the address of a page, of a Pythia on the Hub or any other."""
    return text.lower().startswith(("http://", "https://"))


def _without_owner(model: str) -> str:
    """A published model's name without the Hub's owner; any other text as it is."""
    owner, _, name = model.rstrip("/").rpartition("/")
    return name if owner.lower() == OWNER.lower() and name in MODELS else model


def parse_name(text: str) -> Checkpoint:
    """Parse `MODEL@STEP`; the model may be a new name that the user chose.

    It has to be usable as a folder on any system: Windows has reserved names, drops a dot at the
    end, and does not distinguish case. Raises InvalidName for any other form, and UnknownName if a
    Pythia has no such step.
    """
    model, step = split_name(text)
    if step is None or not NAME.fullmatch(model):
        raise InvalidName(text, "is not a name for a checkpoint; expected MODEL@STEP")
    lower = model.lower()
    if lower == DEMO or lower.startswith(LOCAL_PREFIX) or _DEVICE.fullmatch(lower):
        raise InvalidName(model, "is a reserved name")
    if lower != model and lower in MODELS:
        raise InvalidName(model, f"differs only by case from {lower}")
    if model.endswith("."):
        raise InvalidName(model, "ends with a dot, which not all systems keep")
    if steps_of(model) is None and not STEP_NAME.fullmatch(step):
        raise InvalidName(step, "is not a step; expected a whole number")
    return Checkpoint(model, parse_step(model, step))
