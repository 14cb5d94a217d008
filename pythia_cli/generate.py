"""Continuing a prompt: tokens drawn one by one, given out as text as soon as it is certain."""

from __future__ import annotations

import codecs
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pythia_cli.errors import PromptTooLong
from pythia_cli.model.transformer import Transformer
from pythia_cli.sampling import Sampler, SamplingOptions
from pythia_cli.tokenizer import PythiaTokenizer


@dataclass(frozen=True)
class GenerateOptions:
    """How far to go, and how to draw. `stop` texts end it wherever they appear, and are cut off."""

    max_tokens: int = 128
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    stop: tuple[str, ...] = ()
    ignore_eos: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Generated:
    """A finished sample.

    token_ids are the drawn ones without the end of text; finish_reason is length, eos or stop.
    context_full: it was the model's context that ended it. Seconds are wall time; the prefill's
    are shared by all samples of a prompt.
    """

    text: str
    token_ids: list[int]
    n_prompt_tokens: int
    finish_reason: str
    context_full: bool
    prefill_seconds: float
    decode_seconds: float


class TextStream:
    """Bytes in, text out: whole characters only, and nothing that may yet become a stop text."""

    def __init__(self, stop: tuple[str, ...]) -> None:
        self._stop = tuple(text for text in stop if text)
        # Bytes that are no UTF-8 become U+FFFD, as the tokenizers library decodes them.
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self.stopped = False

    def feed(self, data: bytes, *, last: bool = False) -> str:
        """The text that became certain with these bytes. After a stop text: nothing more."""
        if self.stopped:
            return ""
        self._held += self._decoder.decode(data, final=last)
        found = [at for text in self._stop if (at := self._held.find(text)) >= 0]
        if found:
            self.stopped = True
            text, self._held = self._held[: min(found)], ""
            return text
        n_held = 0 if last else self._undecided()
        cut = len(self._held) - n_held
        text, self._held = self._held[:cut], self._held[cut:]
        return text

    def _undecided(self) -> int:
        """The length of the longest end of the held text that begins a stop text."""
        longest = max((len(text) for text in self._stop), default=0) - 1
        for n in range(min(longest, len(self._held)), 0, -1):
            if any(text.startswith(self._held[-n:]) for text in self._stop):
                return n
        return 0


def prompt_tokens(
    tokenizer: PythiaTokenizer, text: str, n_ctx: int, *, truncate: bool = False
) -> np.ndarray[Any, Any]:
    """The prompt's token ids, with room for one more; for an empty prompt, <|endoftext|>.

    Raises PromptTooLong, unless `truncate` keeps the prompt's end.
    """
    token_ids = tokenizer.encode(text)
    if len(token_ids) == 0:
        token_ids = np.array([tokenizer.end_of_text], np.int64)
    if len(token_ids) >= n_ctx:
        if not truncate:
            raise PromptTooLong(len(token_ids), n_ctx)
        token_ids = token_ids[-(n_ctx - 1) :]
    return token_ids


def generate(
    model: Transformer,
    tokenizer: PythiaTokenizer,
    prompt: np.ndarray[Any, Any],
    options: GenerateOptions,
    n_samples: int = 1,
) -> Iterator[str | Generated]:
    """For each sample: pieces of text as they become certain, then its Generated.

    prompt [n] comes from prompt_tokens. Sample i draws from the seed's i-th stream, so that it
    is the same however many are asked for.
    """
    n_ctx = model.config.n_ctx
    room = n_ctx - len(prompt)
    n_new = min(options.max_tokens, room)
    # The last token drawn is not fed back.
    cache = model.new_cache(len(prompt) + n_new - 1)
    started = time.perf_counter()
    first_logits = model.prefill(prompt, cache).copy()
    prefill_seconds = time.perf_counter() - started
    for sample in range(n_samples):
        cache.truncate(len(prompt))
        sampler = Sampler(
            options.sampling, tokenizer.size, np.random.default_rng([options.seed, sample])
        )
        stream = TextStream(options.stop)
        seen: list[int] = prompt.tolist()
        token_ids: list[int] = []
        pieces: list[str] = []
        finish_reason = "length"
        logits = first_logits
        started = time.perf_counter()
        while True:
            token_id = sampler.sample(logits, seen)
            if token_id == tokenizer.end_of_text and not options.ignore_eos:
                finish_reason = "eos"
                break
            token_ids.append(token_id)
            seen.append(token_id)
            if piece := stream.feed(tokenizer.token_bytes(token_id)):
                pieces.append(piece)
                yield piece
            if stream.stopped:
                finish_reason = "stop"
                break
            if len(token_ids) == n_new:
                break
            logits = model.decode(token_id, cache)
        if piece := stream.feed(b"", last=True):
            pieces.append(piece)
            yield piece
        if stream.stopped:
            finish_reason = "stop"
        yield Generated(
            text="".join(pieces),
            token_ids=token_ids,
            n_prompt_tokens=len(prompt),
            finish_reason=finish_reason,
            context_full=finish_reason == "length" and n_new < options.max_tokens,
            prefill_seconds=prefill_seconds,
            decode_seconds=time.perf_counter() - started,
        )
