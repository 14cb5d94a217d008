"""Perplexity protocols: which tokens are scored, and with which context (docs/measures.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from pythia_cli.engine.documents import Documents, IdDocuments, count_scored
from pythia_cli.engine.text_plan import TextPlan, stride_plan
from pythia_cli.engine.windows import (
    llama_cpp_windows,
    lm_eval_windows,
    window_sizes,
)
from pythia_cli.errors import InputError, InvalidValue, TextTooShort
from pythia_cli.reporting import SILENT
from pythia_cli.text.encoded import Encoded
from pythia_cli.text.lines import line_spans
from pythia_cli.text.token_ids import (
    IdLines,
    covering,
    first_unknown,
    spelled_text,
    unknown,
)
from pythia_cli.text.tokenizer import PythiaTokenizer

ProtocolName = Literal["stride", "llama.cpp", "lm-eval", "document"]
PROTOCOLS: tuple[ProtocolName, ...] = get_args(ProtocolName)
LLAMA_CPP_CONTEXT = 512
_MANY_LINES = 10_000  # from which on progress is shown; they may take a second


@dataclass(frozen=True)
class Protocol:
    """A protocol with all its numbers; `make` fills in defaults and checks them."""

    name: str
    context: int
    stride: int
    bos: bool

    @classmethod
    def make(
        cls,
        name: str,
        n_ctx: int,
        context: int | None = None,
        stride: int | None = None,
        bos: bool | None = None,
    ) -> Protocol:
        """Raises InvalidValue for an unknown name or invalid numbers."""
        if name not in PROTOCOLS:
            raise InvalidValue("protocol", name, f"one of {', '.join(PROTOCOLS)}")
        if name == "llama.cpp" and context is None:
            context = min(LLAMA_CPP_CONTEXT, n_ctx)
        if name in ("llama.cpp", "lm-eval"):
            context, _ = window_sizes(n_ctx, context, None)
            if stride not in (None, context):
                raise InvalidValue(
                    "stride", stride, f"none: the {name} protocol has a fixed stride"
                )
            stride = context
        else:
            context, stride = window_sizes(n_ctx, context, stride)
        if name == "lm-eval" and bos is False:
            raise InvalidValue("bos", False, "true: the lm-eval protocol starts with a BOS token")
        return cls(name, context, stride, name == "lm-eval" if bos is None else bos)

    def plan(
        self, text: str | IdLines, tokenizer: PythiaTokenizer, source: str = "text"
    ) -> Sequence[TextPlan]:
        """One plan for the text; in the `document` protocol, one for each line that is not blank.

        Raises InputError with `source`: for what cannot be tokenized, ids that no token has, and if
        no token would be scored; that is TextTooShort if there are some.
        """
        plans: Documents | IdDocuments | list[TextPlan]
        try:
            if isinstance(text, IdLines):
                plans = self._plan_ids(text, tokenizer)
            elif not isinstance(text, str):
                raise InputError(source, f"is {type(text).__name__}; expected a text")
            elif self.name == "document":
                plans = self._plan_lines(text, tokenizer)
            else:
                plans = [self._plan_one(text, tokenizer)]
        except InputError as error:
            raise InputError(source, error.reason) from error
        n_tokens = plans[0].n_tokens if isinstance(plans, list) else plans.n_tokens
        if not count_scored(plans):
            if n_tokens == 0:
                raise InputError(source, "is empty: there is nothing to score")
            needed = self.context if self.name == "llama.cpp" else 2
            raise TextTooShort(source, n_tokens, self.name, needed)
        return plans

    def _plan_lines(self, text: str, tokenizer: PythiaTokenizer) -> Documents:
        def spans() -> Iterator[tuple[int, int]]:
            return (span for span in line_spans(text) if text[slice(*span)].strip())

        n_lines = sum(1 for _ in spans())
        reporter = tokenizer.reporter if n_lines >= _MANY_LINES else SILENT
        with reporter.task("tokenizing", n_lines, "lines") as task:
            return Documents(
                text, spans(), tokenizer, self.context, self.stride, bos=self.bos, task=task
            )

    def _plan_ids(self, lines: IdLines, tokenizer: PythiaTokenizer) -> IdDocuments | list[TextPlan]:
        ids = lines.token_ids
        if (at := first_unknown(ids, tokenizer)) is not None:
            raise InputError("ids", f"{lines.place_of(at)} {unknown(int(ids[at]), tokenizer)}")
        if self.name == "document":
            return IdDocuments(lines, tokenizer, self.context, self.stride, bos=self.bos)
        return [self._plan_one(spelled_text(ids, tokenizer), tokenizer, covering(ids, tokenizer))]

    def _plan_one(
        self, text: str, tokenizer: PythiaTokenizer, encoded: Encoded | None = None
    ) -> TextPlan:
        """encoded: the tokens of the text, if they are known."""
        if encoded is None:
            encoded = tokenizer.encode_covering(text)
        n, bos = len(encoded), tokenizer.end_of_text
        if self.name == "stride":
            return stride_plan(
                text, tokenizer, self.context, self.stride, bos=self.bos, encoded=encoded
            )
        if self.name == "llama.cpp":
            # llama.cpp replaces the first token of each chunk by the BOS.
            windows = list(llama_cpp_windows(n, self.context))
            return TextPlan(text, encoded, windows, chunk_bos=bos if self.bos else None)
        return TextPlan(text, encoded, list(lm_eval_windows(n, self.context)), bos=bos)
