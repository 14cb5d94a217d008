"""Surprisal of tokens, words and texts (docs/surprisal.md)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from pythia_cli.engine.scored_text import ScoredText
from pythia_cli.engine.scorer import Scorer, score_plans
from pythia_cli.engine.text_plan import TextPlan, stride_plan
from pythia_cli.engine.windows import window_sizes
from pythia_cli.errors import InputError, InvalidValue, PythiaError
from pythia_cli.model.open_model import OpenModel
from pythia_cli.reporting import NO_TASK, Task
from pythia_cli.tables.measuring import measured_together
from pythia_cli.text.encoded import Encoded
from pythia_cli.text.spelling import spelled
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.text.word_spans import Span, opens_with_space, token_ranges, word_spans
from pythia_cli.text.word_starts import CORRECTIONS, Correction, WordStarts, word_starts

Unit = Literal["token", "word", "text"]
"""What gets one record."""

UNITS: tuple[Unit, ...] = get_args(Unit)

Record = dict[str, Any]


@dataclass(frozen=True)
class SurprisalOptions:
    """How surprisal is measured.

    by: what gets a record. base: of the logarithm: 2 gives bits, math.e nats. correction: which
    tokens may begin a word (text/word_starts.py). bos: <|endoftext|> before each text, so that its
    first word has a surprisal. context, stride: windows over longer texts, as in Model.score.
    """

    by: Unit = "word"
    base: float = 2
    correction: Correction = "pimentel-meister"
    bos: bool = True
    context: int | None = None
    stride: int | None = None

    def check(self, n_ctx: int) -> None:
        """Raises InvalidValue for a value that is not possible."""
        if self.by not in UNITS:
            raise InvalidValue("by", self.by, " or ".join(UNITS))
        if self.correction not in CORRECTIONS:
            raise InvalidValue("correction", self.correction, " or ".join(CORRECTIONS))
        if not (isinstance(self.base, int | float) and 1 < self.base < math.inf):
            raise InvalidValue("base", self.base, "2, 10, math.e or another number above 1")
        if self.by == "text" and not self.bos:
            expected = "True if by is text: without it the first token has no surprisal"
            raise InvalidValue("bos", self.bos, expected)
        window_sizes(n_ctx, self.context, self.stride)


class SurprisalMeter:
    """Measures surprisal with one model. Raises InvalidValue for impossible options."""

    def __init__(self, model: OpenModel, options: SurprisalOptions) -> None:
        options.check(model.config.n_ctx)
        self.options = options
        self._tokenizer: PythiaTokenizer = model.tokenizer
        self._scorer: Scorer = model.scorer
        self._sizes = window_sizes(model.config.n_ctx, options.context, options.stride)
        self._reporter = model.reporter
        self._has_noted_spacing = False
        self._d_vocab = model.config.d_vocab

    @cached_property
    def _starts(self) -> WordStarts:
        """Made when the first word is measured: it takes 50 ms, and tokens do not need it."""
        return word_starts(self._tokenizer, self._d_vocab, self.options.correction)

    @cached_property
    def _first_word(self) -> float:
        """log of the probability, behind <|endoftext|>, of the tokens that may begin a text."""
        starts = self._starts
        if starts.first_word is None or not self.options.bos:
            return 0.0
        (logits,) = self._scorer.logits(np.array([self._tokenizer.end_of_text])).astype(np.float64)
        p = np.exp(logits - logits.max())
        return math.log(float(p @ starts.first_word) / float(p.sum()))

    def measure(
        self,
        texts: Sequence[str],
        spans: Sequence[Sequence[Span]] | None = None,
        task: Task = NO_TASK,
    ) -> list[list[Record] | PythiaError]:
        """The records of each text, or its error. `task` advances by scored tokens.

        spans: what counts as the words of each text; None: its parts between white space. A text
        without words has no records by word. An InputError is that of a text that has no tokens, or
        cannot be encoded.
        """
        self._note_spacing(texts)
        words_of = map(word_spans, texts) if spans is None else iter(spans)

        def plan_of(given: tuple[str, Sequence[Span]]) -> tuple[TextPlan, Sequence[Span]]:
            text, words = given
            return self._plan(text), words

        def records(planned: list[tuple[TextPlan, Sequence[Span]]]) -> Iterator[list[Record]]:
            plans = [plan for plan, _ in planned]
            members = None if self.options.by == "token" else self._starts.next_word
            scored = score_plans(plans, self._scorer, task, members)
            for text, (_, words) in zip(scored, planned, strict=True):
                yield list(self._records(text, words))

        return measured_together(zip(texts, words_of, strict=True), plan_of, records)

    def _note_spacing(self, texts: Sequence[str]) -> None:
        """Say once if words are not separated by single spaces, where that matters."""
        if self.options.by == "token" or self.options.correction == "white-space":
            return
        if self._has_noted_spacing:
            return
        if any(" ".join(text.split()) != text for text in texts):
            self._has_noted_spacing = True
            self._reporter.note(
                "some words are separated by other white space than one space; the correction"
                f' "{self.options.correction}" does not expect that, and the surprisal of such'
                ' words may even be negative; "white-space" does'
            )

    def _plan(self, text: str) -> TextPlan:
        """The plan of a text, with the end of text as one more target behind it."""
        end = Encoded(np.array([self._tokenizer.end_of_text]), np.array([0]))
        encoded = self._tokenizer.encode_covering(text)
        if len(encoded) == 0:
            raise InputError("text", "is empty")
        encoded = Encoded.joined([encoded, end])
        bos = self.options.bos
        return stride_plan(text, self._tokenizer, *self._sizes, bos=bos, encoded=encoded)

    def _records(self, scored: ScoredText, spans: Sequence[Span]) -> Iterator[Record]:
        if self.options.by == "token":
            return self._tokens(scored)
        words = list(self._words(scored, spans)) if spans else []
        if self.options.by == "word":
            return iter(words)
        return iter([self._text(scored, len(words))])

    def _words(self, scored: ScoredText, spans: Sequence[Span]) -> Iterator[Record]:
        ranges = token_ranges(scored.text, spans, scored.n_bytes[:-1])
        for word_id, (span, (lo, hi)) in enumerate(zip(spans, ranges, strict=True)):
            yield {
                "word_id": word_id,
                "word": scored.text[span.begin : span.end],
                "n_tokens": hi - lo,
                **self._surprisals(scored, lo, hi),
                "entropy": self._in_base(float(scored.entropy[lo])),
                "first_token": lo,
                "last_token": hi - 1,
                "char_start": span.begin,
                "char_end": span.end,
            }

    def _text(self, scored: ScoredText, n_words: int) -> Record:
        n = len(scored.token_ids) - 1
        return {"n_words": n_words, "n_tokens": n, **self._surprisals(scored, 0, n)}

    def _surprisals(self, scored: ScoredText, lo: int, hi: int) -> Record:
        """The surprisal of tokens lo..hi, corrected and not; None if one was not scored."""
        plain = math.fsum(scored.nll[lo:hi])
        corrected = plain + self._log_begins(scored, lo) - self._log_begins(scored, hi)
        return {
            "surprisal": self._in_base(corrected),
            "surprisal_uncorrected": self._in_base(plain),
        }

    def _log_begins(self, scored: ScoredText, at: int) -> float:
        """log B of Pimentel and Meister 2024: that a word, or the text, begins at this token."""
        assert scored.set_logprob is not None
        if at == 0 and self._starts.first_word is None:
            return 0.0
        if at == 0 and not opens_with_space(scored.text):
            return self._first_word
        return float(scored.set_logprob[at])

    def _tokens(self, scored: ScoredText) -> Iterator[Record]:
        begin = 0
        for at, token_id in enumerate(scored.token_ids[:-1].tolist()):
            n_bytes = int(scored.n_bytes[at])
            is_scored = bool(scored.rank[at] >= 0)
            yield {
                "token_position": at,
                "token": spelled(self._tokenizer.token_bytes(token_id)),
                "token_id": token_id,
                "surprisal": self._in_base(float(scored.nll[at])),
                "entropy": self._in_base(float(scored.entropy[at])),
                "rank": int(scored.rank[at]) if is_scored else None,
                "byte_start": begin,
                "byte_end": begin + n_bytes,
            }
            begin += n_bytes

    def _in_base(self, nats: float) -> float | None:
        """Nats in the unit that was asked for; None for what was not measured."""
        return nats / math.log(self.options.base) if math.isfinite(nats) else None
