"""OpenModel: an open checkpoint that generates and scores text."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from pythia_cli.checkpoints.open_checkpoint import OpenCheckpoint
from pythia_cli.engine.byte_parts import Precision
from pythia_cli.engine.checks import check_whole, listed
from pythia_cli.engine.generate import Generated, GenerateOptions, generate
from pythia_cli.engine.prompts import encode_prompts
from pythia_cli.engine.sampling import SamplingOptions
from pythia_cli.engine.targets import checked_ids
from pythia_cli.engine.transformer import Transformer
from pythia_cli.errors import PromptTooLong, UsageError
from pythia_cli.kernels import compiled
from pythia_cli.release import arithmetic_of
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.config import ModelConfig
from pythia_cli.system import cores
from pythia_cli.text.encoded import Encoded
from pythia_cli.text.tokenizer import PythiaTokenizer

if TYPE_CHECKING:  # generating needs none of these, and its first token waits for no import
    from pythia_cli.engine.loglikelihood import Loglikelihood
    from pythia_cli.engine.scored_text import ScoredText
    from pythia_cli.engine.scorer import Scorer

Dtype = Literal["int8", "float32"]


class OpenModel:
    """An open checkpoint; a context manager.

    Opening only maps the weights; memory for running is allocated on first use. If the file is cut
    short meanwhile, SIGBUS ends the process. UsageError if two threads use one; open one for each.
    """

    def __init__(
        self,
        opened: OpenCheckpoint,
        *,
        dtype: Dtype = "int8",
        precision: Precision = "exact",
        n_threads: int | None = None,
        plain_text: bool = False,
        reporter: Reporter = SILENT,
    ) -> None:
        self.opened = opened
        self.dtype: Dtype = dtype
        self.precision: Precision | None = precision if dtype == "int8" else None
        self.n_threads = cores.n_threads() if n_threads is None else n_threads
        cores.check_threads(self.n_threads)
        self.plain_text, self.reporter = plain_text, reporter
        self._is_closed = False

    def __repr__(self) -> str:
        name = " ".join(part for part in self.opened.name().values() if part)
        return f"Model({name}, {self.dtype}{', fast' * (self.precision == 'fast')})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """End its threads and free its memory. Closing twice does no harm."""
        if (transformer := self.__dict__.pop("transformer", None)) is not None:
            transformer.close()
        self.__dict__.pop("scorer", None)
        self._is_closed = True

    def prepare(self) -> None:
        """Load kernels, start threads and allocate memory now, instead of on first use."""
        _ = self.scorer

    @property
    def checkpoint(self) -> Checkpoint:
        """The model and step."""
        return self.opened.checkpoint

    @property
    def config(self) -> ModelConfig:
        """The dimensions: n_layers, n_heads, d_model, d_vocab, n_ctx, ..."""
        return self.opened.file.config

    @cached_property
    def tokenizer(self) -> PythiaTokenizer:
        """The tokenizer of the checkpoint. Raises IntegrityError if its file is damaged."""
        return self.opened.tokenizer(plain_text=self.plain_text, reporter=self.reporter)

    @property
    def certificate(self) -> dict[str, Any] | None:
        """As Installed.certificate: the quantization error, or None."""
        return self.opened.installed.certificate

    def provenance(self) -> dict[str, Any]:
        """The fields that identify the model and its precision in records of results."""
        how = {"dtype": self.dtype, "precision": self.precision, "plain_text": self.plain_text}
        fields = {**self.opened.provenance(), **how, **arithmetic_of(self.precision)}
        return fields if self.dtype == "int8" else {**fields, "quantization": None}

    def tokenize(self, text: str) -> Encoded:
        """The token_ids [n] of a text, and n_bytes [n]: the UTF-8 bytes that each token covers.

        >>> model.tokenize("It was not").n_bytes.tolist()
        [2, 4, 4]
        """
        return self.tokenizer.encode_covering(text)

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of token ids. Bytes that are not valid UTF-8 become U+FFFD.

        >>> model.decode(model.tokenize("It was not").token_ids)
        'It was not'
        """
        data = b"".join(map(self.tokenizer.token_bytes, self._ids(token_ids).tolist()))
        return data.decode("utf-8", errors="replace")

    def generate(
        self,
        prompt: str | Sequence[int],
        *,
        max_tokens: int = 128,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        min_p: float = 0.0,
        repetition_penalty: float = 1.0,
        seed: int | None = None,
        stop: Sequence[str] = (),
        ignore_eos: bool = False,
        truncate_prompt: bool = False,
        top_logprobs: int | None = None,
    ) -> Generated:
        """Continue a text, or token ids. By default, samples from the model's own distribution.

        The options are those of GenerateOptions and SamplingOptions. seed: None is a random one.
        truncate_prompt: of a prompt that leaves no room for max_tokens, use the end, at least a
        quarter of the context. Raises InvalidValue, PromptTooLong, and UsageError for bad ids.

        >>> model.generate("It was", max_tokens=6, temperature=0).text
        ' a very good thing to be'
        """
        sampling = SamplingOptions(temperature, top_k, top_p, min_p, repetition_penalty)
        seed = secrets.randbits(32) if seed is None else seed
        options = GenerateOptions(max_tokens, sampling, stop, ignore_eos, seed, top_logprobs)
        (sample,) = self.generate_batch([prompt], options, truncate_prompt=truncate_prompt)
        return sample

    def generate_batch(
        self,
        prompts: Sequence[str | Sequence[int]],
        options: GenerateOptions | None = None,
        *,
        num_samples: int = 1,
        truncate_prompt: bool = False,
    ) -> list[Generated]:
        """num_samples continuations of each prompt, in order. Many are decoded in the same pass.

        The results do not depend on the other prompts and samples. Raises as `generate`.

        >>> len(model.generate_batch(["It was", "She was"], num_samples=2))
        4
        """
        events = self.stream(
            prompts, options, num_samples=num_samples, truncate_prompt=truncate_prompt
        )
        return [event for _, event in events if isinstance(event, Generated)]

    def stream(
        self,
        prompts: Sequence[str | Sequence[int]],
        options: GenerateOptions | None = None,
        *,
        num_samples: int = 1,
        truncate_prompt: bool = False,
        skipped: Callable[[PromptTooLong], object] | None = None,
    ) -> Iterator[tuple[int, str | Generated]]:
        """As generate_batch, but yields (index of the prompt, event) while generating.

        An event is a piece of text, or the finished sample. The call itself checks all prompts,
        before the first event is requested. skipped: called with the error of each prompt that is
        too long; without it, the first is raised.
        """
        check_whole("num_samples", num_samples, 1)
        chosen = GenerateOptions(seed=secrets.randbits(32)) if options is None else options
        n_ctx, n_new = self.config.n_ctx, chosen.max_tokens if truncate_prompt else None
        encoded = encode_prompts(self.tokenizer, listed("prompts", prompts), n_ctx, n_new, skipped)
        indices, found = list(encoded), list(encoded.values())
        events = generate(self.transformer, self.tokenizer, found, chosen, num_samples)
        return ((indices[i], event) for i, event in events)

    def score(
        self,
        text: str,
        *,
        context: int | None = None,
        stride: int | None = None,
        bos: bool = False,
    ) -> ScoredText:
        """nll, entropy and rank of each token of a text.

        bos: put <|endoftext|> before the text, so that its first token is scored too. A text longer
        than `context` tokens (default: the model's context) is scored in windows that advance by
        `stride` (default: half of it), as in perplexity's `stride` protocol. Raises InvalidValue.

        >>> model.score("It was not").rank.tolist()
        [-1, 0, 3]
        """
        return self.score_batch([text], context=context, stride=stride, bos=bos)[0]

    def score_batch(
        self,
        texts: Sequence[str],
        *,
        context: int | None = None,
        stride: int | None = None,
        bos: bool = False,
    ) -> list[ScoredText]:
        """As `score`, for many texts: faster for short ones, which share passes; the same bits.

        >>> [text.totals.n_tokens for text in model.score_batch(["It was", "He had not"])]
        [1, 2]
        """
        from pythia_cli.engine.scorer import score_plans
        from pythia_cli.engine.text_plan import stride_plan
        from pythia_cli.engine.windows import window_sizes

        context, stride = window_sizes(self.config.n_ctx, context, stride)
        texts = listed("texts", texts)
        plans = [stride_plan(text, self.tokenizer, context, stride, bos=bos) for text in texts]
        with self.reporter.task("scoring", sum(p.n_scored for p in plans), "tokens") as task:
            return score_plans(plans, self.scorer, task)

    def loglikelihood(self, context: str, continuation: str) -> Loglikelihood:
        """log p(continuation | context), the sum over the continuation's tokens.

        Tokenized as in lm-evaluation-harness: white space at the end of the context is moved to the
        continuation, and both are encoded together. An empty context becomes <|endoftext|>. Raises
        UsageError if both together do not fit the model's context.

        >>> model.loglikelihood("It was not", " a").n_tokens
        1
        """
        from pythia_cli.engine.loglikelihood import encode_pair, loglikelihood

        pair = encode_pair(self.tokenizer, context, continuation)
        return loglikelihood(self.scorer, pair, self.config.n_ctx)

    def logits(self, text: str | Sequence[int]) -> np.ndarray[Any, Any]:
        """[n_tokens, d_vocab] float32: the logits after each token of a text, or of token ids.

        Raises UsageError if there are no tokens, or more than the context holds.

        >>> model.logits("It was not").dtype
        dtype('float32')
        """
        token_ids = self.tokenizer.encode(text) if isinstance(text, str) else self._ids(text)
        n, n_ctx = len(token_ids), self.config.n_ctx
        if not 0 < n <= n_ctx:
            raise UsageError(f"{n} tokens; the model takes 1 to {n_ctx}")
        return self.scorer.logits(token_ids)

    def _ids(self, token_ids: Sequence[int]) -> np.ndarray[Any, Any]:
        return checked_ids(token_ids, self.config.d_vocab)

    @cached_property
    def transformer(self) -> Transformer:
        """The int8 engine, for measurements and experiments. Raises UsageError in float32."""
        self._check_open()
        if self.precision is None:
            raise UsageError("text is generated in int8 only; this model was opened as float32")
        compiled.load(self.reporter)
        return Transformer(self.opened.file, self.n_threads, self.precision)

    @cached_property
    def scorer(self) -> Scorer:
        """Scores tokens given those before them: int8 or float32, for measures."""
        from pythia_cli.engine.scorer import Float32Scorer, Int8Scorer

        self._check_open()
        if self.dtype == "int8":
            return Int8Scorer(self.transformer)
        from pythia_cli.engine.reference import Reference

        floats = self.opened.float_checkpoint(self.reporter)
        return Float32Scorer(Reference.from_checkpoint(floats, self.n_threads))

    def _check_open(self) -> None:
        if self._is_closed:
            raise UsageError("the model is closed")
