"""Perplexity by named protocols: which tokens are scored, given what, and the sums over them."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pythia_cli.engine.scores import Scores
from pythia_cli.engine.windows import Window, llama_cpp_windows, lm_eval_windows, stride_windows
from pythia_cli.errors import InputError, IntegrityError, UsageError
from pythia_cli.text.tokenizer import PythiaTokenizer

PROTOCOLS = ("stride", "llama.cpp", "lm-eval", "document")
LLAMA_CPP_CONTEXT = 512

Scorer = Callable[[np.ndarray[Any, Any], np.ndarray[Any, Any]], Scores]
"""(token_ids [n], targets [m]) -> Scores of targets as successors of the last m token_ids."""


@dataclass(frozen=True)
class Protocol:
    """A protocol with all its numbers fixed; `make` fills in the defaults and checks them."""

    name: str
    context: int
    stride: int
    bos: bool

    @classmethod
    def make(
        cls, name: str, n_ctx: int, context: int | None, stride: int | None, bos: bool | None
    ) -> Protocol:
        """Raises UsageError for an unknown name or numbers that make no sense."""
        if name not in PROTOCOLS:
            raise UsageError(f"--protocol is {name!r}; expected one of {', '.join(PROTOCOLS)}")
        if context is None:
            context = min(LLAMA_CPP_CONTEXT, n_ctx) if name == "llama.cpp" else n_ctx
        if not 2 <= context <= n_ctx:
            raise UsageError(f"--context is {context}; this model takes 2 to {n_ctx}")
        if name in ("llama.cpp", "lm-eval"):
            if stride is not None and stride != context:
                raise UsageError(f"--stride has no place in the {name} protocol")
            stride = context
        elif stride is None:
            stride = max(1, context // 2)
        if not 1 <= stride <= context:
            raise UsageError(f"--stride is {stride}; expected 1 to the context of {context}")
        if name == "lm-eval" and bos is False:
            raise UsageError("--no-bos has no place in the lm-eval protocol: it begins with one")
        return cls(name, context, stride, name == "lm-eval" if bos is None else bos)


@dataclass
class Totals:
    """Sums over scored tokens; nll in nats."""

    nll: float = 0.0
    nll_squared: float = 0.0
    n_tokens: int = 0
    n_bytes: int = 0
    n_words: int = 0

    def __add__(self, other: Totals) -> Totals:
        """Both together."""
        return Totals(
            *(a + b for a, b in zip(vars(self).values(), vars(other).values(), strict=True))
        )

    def figures(self) -> dict[str, float | int | None]:
        """The figures of a record, with the formulas of docs/measures.md; None where undefined."""
        n, mean = self.n_tokens, self.nll / self.n_tokens
        variance = max(0.0, self.nll_squared / n - mean**2)
        perplexity = _exp(mean)
        return {
            "nll": self.nll,
            "n_tokens": n,
            "n_bytes": self.n_bytes,
            "n_words": self.n_words,
            "perplexity": perplexity,
            "bits_per_byte": self.nll / math.log(2) / self.n_bytes if self.n_bytes else None,
            "byte_perplexity": _exp(self.nll / self.n_bytes) if self.n_bytes else None,
            "word_perplexity": _exp(self.nll / self.n_words) if self.n_words else None,
            "stderr": perplexity * math.sqrt(variance / (n - 1)) if n > 1 and perplexity else None,
        }


def _exp(x: float) -> float | None:
    """exp, or None where a float64 does not hold it: JSON knows no infinity."""
    return math.exp(x) if x < 709 else None


@dataclass(frozen=True)
class TokenRecord:
    """One token of the text; nll, entropy (nats) and rank are None where it was not scored."""

    position: int
    token_id: int
    data: bytes
    n_bytes: int
    nll: float | None
    entropy: float | None
    rank: int | None


@dataclass
class Document:
    """A tokenized stretch of text and what has been scored of it."""

    text: bytes
    token_ids: np.ndarray[Any, Any]
    n_bytes: np.ndarray[Any, Any]
    nll: np.ndarray[Any, Any] = field(init=False)
    entropy: np.ndarray[Any, Any] = field(init=False)
    rank: np.ndarray[Any, Any] = field(init=False)

    def __post_init__(self) -> None:
        """NaN and -1 mark tokens that are not scored."""
        n = len(self.token_ids)
        self.nll, self.entropy = np.full(n, np.nan), np.full(n, np.nan)
        self.rank = np.full(n, -1, np.int64)

    def totals(self) -> Totals:
        """Sums over the scored tokens, and the bytes and words that they cover."""
        scored = ~np.isnan(self.nll)
        ends = np.cumsum(self.n_bytes)
        n_words = 0
        for first, last in _runs(scored):
            covered = self.text[ends[first] - self.n_bytes[first] : ends[last]]
            n_words += len(covered.decode("utf-8", errors="replace").split())
        nll = self.nll[scored]
        return Totals(
            nll=math.fsum(nll),
            nll_squared=math.fsum(nll**2),
            n_tokens=int(scored.sum()),
            n_bytes=int(self.n_bytes[scored].sum()),
            n_words=n_words,
        )

    def records(self, tokenizer: PythiaTokenizer, first_position: int = 0) -> Iterator[TokenRecord]:
        """Every token in order."""
        for i, token_id in enumerate(self.token_ids.tolist()):
            scored = not math.isnan(self.nll[i])
            yield TokenRecord(
                position=first_position + i,
                token_id=token_id,
                data=tokenizer.token_bytes(token_id),
                n_bytes=int(self.n_bytes[i]),
                nll=float(self.nll[i]) if scored else None,
                entropy=float(self.entropy[i]) if scored else None,
                rank=int(self.rank[i]) if scored else None,
            )


def _runs(mask: np.ndarray[Any, Any]) -> Iterator[tuple[int, int]]:
    """First and last index of each run of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(np.int8), [0]])))
    for first, end in edges.reshape(-1, 2).tolist():
        yield first, end - 1


def documents(text: str, protocol: Protocol, tokenizer: PythiaTokenizer) -> list[Document]:
    """The text as one Document; in the `document` protocol, its lines that are not blank."""
    stretches = [text]
    if protocol.name == "document":
        # Line ends only: splitlines would cut at form feeds and the like as well.
        lines = (line.removesuffix("\n") for line in io.StringIO(text, newline=None))
        stretches = [line for line in lines if line.strip()]
    found = []
    for stretch in stretches:
        encoded = tokenizer.encode_covering(stretch)
        found.append(Document(stretch.encode(), encoded.token_ids, encoded.n_bytes))
    return found


def plan(document: Document, protocol: Protocol) -> list[Window]:
    """The windows over the document's sequence: its tokens, behind a BOS where there is one."""
    n = len(document.token_ids)
    if protocol.name == "llama.cpp":
        return list(llama_cpp_windows(n, protocol.context))
    if protocol.name == "lm-eval":
        return list(lm_eval_windows(n, protocol.context))
    return list(stride_windows(n + protocol.bos, protocol.context, protocol.stride))


def score_document(
    document: Document,
    protocol: Protocol,
    bos_id: int,
    scorer: Scorer,
    progress: Callable[[int], None] = lambda n_tokens: None,
) -> None:
    """Fill in nll, entropy and rank; progress is told the scored tokens as they go by.

    Raises IntegrityError where the model's numbers are not finite.
    """
    # llama.cpp puts the BOS in the place of each chunk's first token, the others before the text.
    in_place = protocol.name == "llama.cpp"
    shift = int(protocol.bos and not in_place)
    sequence = document.token_ids
    if shift:
        sequence = np.concatenate([[bos_id], sequence])
    for window in plan(document, protocol):
        inputs = sequence[window.begin : window.end - 1]
        if in_place and protocol.bos:
            inputs = np.concatenate([[bos_id], inputs[1:]])
        scores = scorer(inputs, sequence[window.first : window.end])
        if not np.isfinite(scores.nll + scores.entropy).all():
            raise IntegrityError("model", "it gave NaN; the checkpoint may be damaged")
        place = slice(window.first - shift, window.end - shift)
        document.nll[place], document.entropy[place] = scores.nll, scores.entropy
        document.rank[place] = scores.rank
        progress(window.end - window.first)


def check_long_enough(name: str, n_scored: int, n_tokens: int, protocol: Protocol) -> None:
    """Raises InputError where the protocol finds no token to score."""
    if n_scored:
        return
    if n_tokens == 0:
        raise InputError(name, "is empty: there is nothing to score")
    needed = protocol.context if protocol.name == "llama.cpp" else 2
    raise InputError(
        name,
        f"has {n_tokens} tokens; the {protocol.name} protocol needs at least {needed}",
        hint="use a longer text, a smaller --context, or --bos",
    )
