"""Continues prompts: draws token after token, and yields text as soon as it is final."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from pythia_cli.engine.checks import check_findable, check_whole, listed
from pythia_cli.engine.kv_cache import KVCache
from pythia_cli.engine.sampling import Sampler, SamplingOptions
from pythia_cli.engine.transformer import Transformer
from pythia_cli.text.stream import TextStream
from pythia_cli.text.tokenizer import PythiaTokenizer

if TYPE_CHECKING:
    from pythia_cli.engine.logprobs import GeneratedToken


@dataclass(frozen=True)
class GenerateOptions:
    """Options of generation. The text ends before the first of the `stop` texts to appear.

    None of these is empty. The seed is 0 unless given. top_logprobs: keep the log-probability of
    each token, and so many of the most probable ones in its place; None keeps nothing. Raises
    InvalidValue for a value out of range.
    """

    max_tokens: int = 128
    sampling: SamplingOptions = field(default_factory=SamplingOptions)
    stop: Sequence[str] = ()
    ignore_eos: bool = False
    seed: int = 0
    top_logprobs: int | None = None

    def __post_init__(self) -> None:
        """Raises InvalidValue for a value out of range."""
        check_whole("max_tokens", self.max_tokens, 1)
        check_whole("seed", self.seed, 0)
        if self.top_logprobs is not None:
            check_whole("top_logprobs", self.top_logprobs, 0)
        object.__setattr__(self, "stop", listed("stop", self.stop))
        for text in self.stop:
            check_findable("stop", text)


@dataclass(frozen=True, repr=False)
class Generated:
    """A finished sample.

    token_ids are the drawn tokens, with those of a stop text, but without an <|endoftext|> that
    ended it. seed: that of the options; it gives this text again. finish_reason is length, eos or
    stop. context_full: it ended because the model's context was full. Seconds are wall time. All
    samples of a prompt share one prefill, and decode_seconds include other samples decoded in the
    same passes. n_prompt_tokens_cut: how many truncate_prompt left out, before n_prompt_tokens
    others. logprobs: with top_logprobs, for each of token_ids its token_id, text and logprob, and
    `top`, the most probable tokens in its place with theirs; in nats, before penalty, temperature
    and filters.
    """

    text: str
    token_ids: list[int]
    seed: int
    n_prompt_tokens: int
    finish_reason: str
    context_full: bool
    prefill_seconds: float
    decode_seconds: float
    n_prompt_tokens_cut: int = 0
    logprobs: tuple[GeneratedToken, ...] | None = None

    def __repr__(self) -> str:
        return f"Generated({self.text!r}, finish_reason={self.finish_reason!r})"

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the fields of docs/output.md, with rates in tokens per second."""
        n_generated = len(self.token_ids)
        # The first token comes from the prefill, all others from decoding.
        n_decoded = n_generated - 1
        record = {
            "text": self.text,
            "token_ids": self.token_ids,
            "seed": self.seed,
            "n_prompt_tokens": self.n_prompt_tokens,
            "n_prompt_tokens_cut": self.n_prompt_tokens_cut,
            "n_generated": n_generated,
            "finish_reason": self.finish_reason,
            "prefill_seconds": self.prefill_seconds,
            "decode_seconds": self.decode_seconds,
            "prefill_tokens_per_second": self.n_prompt_tokens / self.prefill_seconds,
            "decode_tokens_per_second": n_decoded / self.decode_seconds if n_decoded > 0 else None,
        }
        if self.logprobs is not None:
            record["logprobs"] = [token.to_dict() for token in self.logprobs]
        return record


class Prompt(NamedTuple):
    """Token ids [n >= 1], and how many were cut off before them."""

    token_ids: np.ndarray[Any, Any]
    n_cut: int = 0


def generate(
    model: Transformer,
    tokenizer: PythiaTokenizer,
    prompts: Sequence[Prompt],
    options: GenerateOptions,
    n_samples: int = 1,
) -> Iterator[tuple[int, str | Generated]]:
    """Yield for each sample of each prompt: its text in pieces, then its Generated.

    Each event is (index of the prompt, event). Samples come one after another, although many are
    decoded in the same pass over the weights. Sample i of a prompt uses the i-th random stream of
    the seed, so it does not depend on the number of samples or prompts.
    """
    if not prompts:
        return
    room = [min(options.max_tokens, model.config.n_ctx - len(ids)) for ids, _ in prompts]
    # The last token drawn is not fed back.
    capacity = max(len(ids) + n_new - 1 for (ids, _), n_new in zip(prompts, room, strict=True))
    free = model.new_caches(capacity, len(prompts) * n_samples)
    waiting = (
        _Sample(i, prompt, n_new, options, tokenizer, sample)
        for i, (prompt, n_new) in enumerate(zip(prompts, room, strict=True))
        for sample in range(n_samples)
    )
    prefilled = _Prefilled(model)
    active: list[tuple[_Sample, KVCache]] = []
    unreported: deque[_Sample] = deque()  # in output order
    while True:
        while free and (sample := next(waiting, None)) is not None:
            unreported.append(sample)
            with model.one_thread:
                sample.take(prefilled.first_logits(sample, free[-1]))
            if not sample.ended:
                active.append((sample, free.pop()))
            yield from _ready_events(unreported)
        if not active:
            return
        texts = [cache for _, cache in active]
        with model.one_thread:  # until the logits are used
            logits = model.decode_together([sample.token_ids[-1] for sample, _ in active], texts)
            for (sample, _), row in zip(active, logits, strict=True):
                sample.take(row)
        free += [cache for sample, cache in active if sample.ended]
        active = [(sample, cache) for sample, cache in active if not sample.ended]
        yield from _ready_events(unreported)


def _ready_events(unreported: deque[_Sample]) -> Iterator[tuple[int, str | Generated]]:
    """The events of the first sample so far and, if it has ended, those of the next, and so on."""
    while unreported:
        sample = unreported[0]
        while sample.events:
            yield sample.prompt_index, sample.events.popleft()
        if not sample.ended:
            return
        unreported.popleft()


class _Prefilled:
    """Fills caches with prompts. Runs a prompt once for all its samples, if they come in a row."""

    def __init__(self, model: Transformer) -> None:
        self._model = model
        self._prompt_index = -1
        self._kept: KVCache | None = None
        self._logits = np.empty(0, np.float32)
        self._seconds = 0.0

    def first_logits(self, sample: _Sample, cache: KVCache) -> np.ndarray[Any, Any]:
        """Put the prompt of the sample into the cache. Returns the logits [d_vocab] after it."""
        prompt = sample.prompt.token_ids
        if sample.prompt_index != self._prompt_index:
            started = time.perf_counter()
            cache.truncate(0)
            self._logits = self._model.prefill(prompt, cache).copy()
            self._seconds = time.perf_counter() - started
            self._prompt_index, self._kept = sample.prompt_index, cache
        elif self._kept is cache:
            cache.truncate(len(prompt))
        elif self._kept is not None:
            cache.copy_from(self._kept, len(prompt))
        sample.begin(self._seconds)
        return self._logits


class _Sample:
    """A sample in progress: the tokens drawn so far, and events to be yielded."""

    def __init__(
        self,
        prompt_index: int,
        prompt: Prompt,
        n_new: int,
        options: GenerateOptions,
        tokenizer: PythiaTokenizer,
        sample: int,
    ) -> None:
        self.prompt_index = prompt_index
        self.prompt = prompt
        self.token_ids: list[int] = []
        self.events: deque[str | Generated] = deque()
        self.ended = False
        self._n_new = n_new
        self._options = options
        self._tokenizer = tokenizer
        generator = np.random.default_rng([options.seed, sample])
        self._sampler = Sampler(options.sampling, tokenizer.size, generator, tokenizer.missing)
        self._stream = TextStream(options.stop)
        self._seen: list[int] = prompt.token_ids.tolist()
        self._pieces: list[str] = []
        self._logprobs: list[GeneratedToken] = []
        self._prefill_seconds = self._started = 0.0

    def begin(self, prefill_seconds: float) -> None:
        """Start the clock: the prompt is now in the cache."""
        self._prefill_seconds = prefill_seconds
        self._started = time.perf_counter()

    def take(self, logits: np.ndarray[Any, Any]) -> None:
        """Draw the next token. Sets `ended` if it is the last."""
        token_id = self._sampler.sample(logits, self._seen)
        if token_id == self._tokenizer.end_of_text and not self._options.ignore_eos:
            self._end("eos")
            return
        self.token_ids.append(token_id)
        self._seen.append(token_id)
        if self._options.top_logprobs is not None:
            from pythia_cli.engine.logprobs import generated_token

            n_top = self._options.top_logprobs
            self._logprobs.append(generated_token(logits, token_id, n_top, self._tokenizer))
        self._emit(self._stream.feed(self._tokenizer.token_bytes(token_id)))
        if self._stream.stopped:
            self._end("stop")
        elif len(self.token_ids) == self._n_new:
            self._end("length")

    def _emit(self, piece: str) -> None:
        if piece:
            self._pieces.append(piece)
            self.events.append(piece)

    def _end(self, finish_reason: str) -> None:
        self._emit(self._stream.feed(b"", last=True))
        if self._stream.stopped:
            finish_reason = "stop"
        full = finish_reason == "length" and self._n_new < self._options.max_tokens
        self.events.append(
            Generated(
                text="".join(self._pieces),
                token_ids=self.token_ids,
                seed=self._options.seed,
                n_prompt_tokens=len(self.prompt.token_ids),
                finish_reason=finish_reason,
                context_full=full,
                prefill_seconds=self._prefill_seconds,
                decode_seconds=time.perf_counter() - self._started,
                n_prompt_tokens_cut=self.prompt.n_cut,
                logprobs=None if self._options.top_logprobs is None else tuple(self._logprobs),
            )
        )
        self.ended = True
