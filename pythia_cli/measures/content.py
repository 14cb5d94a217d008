"""Whether a checkpoint can be the step that its name says, by how well it predicts a short text.

The text is the first three paragraphs of Pride and Prejudice (Austen 1813), as in the built-in
demo's eval.txt, without a BOS. What is expected of each step is in suite/expected_nll.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pythia_cli.checkpoints.demo import DEMO_FOLDER
from pythia_cli.checkpoints.open_checkpoint import open_checkpoint
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import IntegrityError, InvalidValue, NewerFormat, NotFound, NotInstalled
from pythia_cli.model.open_model import OpenModel
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.expected_nll import expected_nll


@dataclass(frozen=True)
class ContentCheck:
    """nll: mean over the text's tokens but the first, nats; None if there is no finite figure.

    expected: the least and the most that this step should have; None for the demo and for names
    that the user chose. error: why there is no figure; None if there is one.
    """

    checkpoint: Checkpoint
    nll: float | None
    expected: tuple[float, float] | None
    error: str | None = None

    @property
    def problem(self) -> str | None:
        """What is wrong, in one line; None if nothing is, or if nothing is expected."""
        if self.nll is None:
            return self.error
        if self.expected is None:
            return None
        low, high = self.expected
        if low <= self.nll <= high:
            return None
        bound = f"at least {low:g}" if self.nll < low else f"at most {high:g}"
        return (
            f"{self.nll:.2f} nats a token of a short English text, but step {self.checkpoint.step}"
            f" should have {bound}: probably the weights of another step"
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON; a bound that does not exist is None."""
        low, high = self.expected or (0.0, math.inf)
        return {
            "nll": self.nll,
            "lowest_expected": low or None,
            "highest_expected": high if math.isfinite(high) else None,
            "problem": self.problem,
        }


def check_content(
    store: Store,
    checkpoint: Checkpoint,
    *,
    n_threads: int | None = None,
    reporter: Reporter = SILENT,
) -> ContentCheck:
    """Score a short text with an installed checkpoint, and compare with what its step should have.

    Takes about a second. Damage is the result's `error`. Raises NotInstalled, NewerFormat and
    ResourceError, and InvalidValue for arguments of another type.
    """
    if not isinstance(store, Store):
        raise InvalidValue("store", store, "a Store")
    if not isinstance(checkpoint, Checkpoint):
        raise InvalidValue("checkpoint", checkpoint, "a Checkpoint")
    expected = expected_nll(checkpoint)
    try:
        opened = open_checkpoint(store, checkpoint, is_use=False)
        with OpenModel(opened, n_threads=n_threads, reporter=reporter) as model:
            totals = model.score(sample_text()).totals
    except (NewerFormat, NotInstalled):
        raise
    except (IntegrityError, NotFound) as error:
        return ContentCheck(checkpoint, None, expected, str(error))
    nll = totals.nll / totals.n_tokens
    if not math.isfinite(nll):
        return ContentCheck(checkpoint, None, expected, "its scores are not finite")
    return ContentCheck(checkpoint, nll, expected)


def sample_text() -> str:
    """The text that is scored."""
    _, *paragraphs = (DEMO_FOLDER / "eval.txt").read_text(encoding="utf-8").split("\n\n")
    return "\n\n".join(paragraphs[:3])
