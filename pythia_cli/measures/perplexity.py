"""Perplexity and bits per byte of a text, with a named protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pythia_cli.engine.documents import count_scored
from pythia_cli.engine.scored_text import ScoredText
from pythia_cli.engine.scorer import score_plans, total_plans
from pythia_cli.engine.text_plan import TextPlan
from pythia_cli.engine.totals import Totals
from pythia_cli.errors import InputError, UsageError
from pythia_cli.measures.protocols import Protocol
from pythia_cli.model.open_model import OpenModel
from pythia_cli.reporting import Task
from pythia_cli.text.token_ids import IdLines, whole_numbers


@dataclass(frozen=True, repr=False, eq=False)
class Perplexity:
    """The result: scored texts (several in the `document` protocol), totals, and protocol.

    provenance: model, checkpoint, source, quantization and dtype, as in every record. from_ids: its
    tokens were given as ids.
    """

    source: str
    protocol: Protocol
    texts: tuple[ScoredText, ...]
    totals: Totals
    provenance: dict[str, Any]
    from_ids: bool = False

    def __repr__(self) -> str:
        value, n = self.totals.perplexity, self.totals.n_tokens
        return f"Perplexity({value if value is None else f'{value:.4f}'} of {n} tokens)"

    @property
    def perplexity(self) -> float | None:
        """exp of the mean nll; None if over 1e308."""
        return self.totals.perplexity

    @property
    def bits_per_byte(self) -> float | None:
        """Total nll in bits, divided by the UTF-8 bytes that the scored tokens cover."""
        return self.totals.bits_per_byte

    @property
    def stderr(self) -> float | None:
        """The standard error of the perplexity."""
        return self.totals.stderr

    @property
    def accuracy(self) -> float | None:
        """The share of scored tokens of rank 0: those that the model found most likely."""
        return self.totals.accuracy

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the record of docs/output.md, without the time it took."""
        figures = record(self.protocol, self.provenance, self.totals, from_ids=self.from_ids)
        return {"file": self.source, **figures}


def record(
    protocol: Protocol, provenance: dict[str, Any], totals: Totals, *, from_ids: bool = False
) -> dict[str, Any]:
    """Provenance, protocol and figures, as in docs/output.md."""
    return {
        **provenance,
        "ids": from_ids,
        "protocol": protocol.name,
        "context": protocol.context,
        "stride": protocol.stride,
        "bos": protocol.bos,
        **totals.figures(),
    }


def perplexity(
    model: OpenModel,
    text: str | Sequence[int],
    *,
    protocol: str = "stride",
    context: int | None = None,
    stride: int | None = None,
    bos: bool | None = None,
    source: str = "text",
) -> Perplexity:
    """Perplexity of a text, or of token ids. docs/measures.md describes the protocols.

    All of the text is scored; `pythia perplexity` leaves out byte-order marks with which a file
    begins. Bytes and words of token ids are those of the text that they spell; in the `document`
    protocol they are one line. source: the name of the text in errors and records. Raises
    InvalidValue for invalid numbers, InputError if the text is empty or too short or an id has no
    token, IntegrityError if the model is damaged.

    >>> round(perplexity(model, "It was not a small one.", bos=True).perplexity, 1)
    33.7
    """
    chosen = Protocol.make(protocol, model.config.n_ctx, context, stride, bos)
    given = text if isinstance(text, str) else _ids(text, source)
    plans = chosen.plan(given, model.tokenizer, source)
    with model.reporter.task("scoring", count_scored(plans), "tokens") as task:
        return score_perplexity(
            model, plans, chosen, source, task, from_ids=isinstance(given, IdLines)
        )


def _ids(token_ids: Sequence[int], source: str) -> IdLines:
    try:
        return IdLines.whole(whole_numbers(token_ids))
    except UsageError as error:
        raise InputError(source, str(error)) from error


def score_perplexity(
    model: OpenModel,
    plans: Sequence[TextPlan],
    protocol: Protocol,
    source: str,
    task: Task,
    *,
    keep_tokens: bool = True,
    from_ids: bool = False,
) -> Perplexity:
    """Score planned texts. Raises IntegrityError if the model's outputs are not finite.

    keep_tokens: if False, the result has no `texts`; they need 40 bytes of memory for each token.
    from_ids: the plans are of token ids.
    """
    texts: tuple[ScoredText, ...] = ()
    if keep_tokens:
        texts = tuple(score_plans(plans, model.scorer, task))
        totals = sum((text.totals for text in texts), Totals())
    else:
        totals = sum(total_plans(plans, model.scorer, task), Totals())
    return Perplexity(source, protocol, texts, totals, model.provenance(), from_ids)
