"""A model for lm-evaluation-harness, which asks it the same as its own `hf` model.

    import lm_eval, pythia_cli
    from pythia_cli.integrations.lm_eval import PythiaLM

    with pythia_cli.load("pythia-410m", step=3000) as model:
        lm_eval.simple_evaluate(model=PythiaLM(model), tasks=["lambada_openai"])

`python -m pythia_cli.integrations.lm_eval` is the command `lm_eval`, with our model under the name
`pythia`. The differences from `--model hf` are listed in docs/lm-eval.md.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from lm_eval.api.model import CacheHook, TemplateLM
from lm_eval.api.registry import register_model
from lm_eval.models.utils import postprocess_generated_text
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from pythia_cli.engine.checks import check_whole
from pythia_cli.engine.generate import Generated, Prompt, generate
from pythia_cli.engine.loglikelihood import TokenPair, loglikelihoods
from pythia_cli.errors import UsageError
from pythia_cli.integrations.generation_arguments import Generation
from pythia_cli.integrations.response_cache import claim, identity, path_of
from pythia_cli.library.load import load
from pythia_cli.library.model import Dtype, Model
from pythia_cli.reporting import Bars

_BLOCK = 1 << 15
"""Tokens that are scored together. After each block, responses go to lm-eval's cache."""


class _Request(NamedTuple):
    """What lm-eval asks (None: part of a rolling request), and the token ids of both parts."""

    texts: tuple[str, str] | None
    context: list[int]
    continuation: list[int]


@register_model("pythia")
class PythiaLM(TemplateLM):
    """A Model as lm-eval sees it.

    model: a Model, or its name; the names and the other arguments are then those of `load`, and
    bars show the progress. max_length: the most tokens of a context; None: the model's. batch_size,
    max_batch_size, device: lm-eval passes them (device "cuda:0" by default); they have no effect.
    Texts always share passes, on the CPU, and the figures do not depend on that. Raises what `load`
    raises, and InvalidValue.
    """

    def __init__(
        self,
        model: Model | str | None = None,
        *,
        step: str | int | None = None,
        dtype: Dtype = "int8",
        precision: Any = "exact",
        n_threads: int | None = None,
        plain_text: bool = False,
        store: str | None = None,
        download: bool = False,
        max_length: int | None = None,
        batch_size: object = None,
        max_batch_size: object = None,
        device: object = None,
    ) -> None:
        super().__init__()
        self.model = model if isinstance(model, Model) else load(
            model, step, dtype=dtype, precision=precision, n_threads=n_threads,
            plain_text=plain_text, store=store, download=download, reporter=Bars(),
        )  # fmt: skip
        n_ctx = self.model.config.n_ctx
        if max_length is not None:
            check_whole("max_length", max_length, 1, n_ctx)
        self._max_length = n_ctx if max_length is None else max_length

    @property
    def eot_token_id(self) -> int:
        """The id of <|endoftext|>, which is also the empty context."""
        return self.model.tokenizer.end_of_text

    @property
    def max_length(self) -> int:
        """The most tokens of a context, with those that are generated."""
        return self._max_length

    @property
    def tokenizer_name(self) -> str:
        """Names the tokenizer in lm-eval's cache of requests."""
        return f"pythia-{self.model.opened.file.tokenizer_sha256}"

    def get_model_info(self) -> dict[str, Any]:
        """What lm-eval adds to the `config` of its results: the model's provenance."""
        return self.model.provenance()

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **_: object
    ) -> list[int]:
        """The token ids of a text. There is no token that would be put before it."""
        ids: list[int] = self.model.tokenizer.encode(string).tolist()
        return ids

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """Raises UsageError."""
        raise UsageError("Pythia checkpoints have no chat template")

    def identity(self) -> dict[str, Any]:
        """What responses depend on: weights, tokenizer, precision, context, and our version."""
        return identity(self.model, self.max_length)

    def cache_path(self, folder: str | Path) -> str:
        """A path in this folder for lm-eval's `use_cache`, of its own for each `identity`."""
        return path_of(folder, self.identity())

    def set_cache_hook(self, cache_hook: CacheHook) -> None:
        """As lm-eval's. Raises UsageError if the cache has responses of another model or step.

        lm-eval looks responses up by the request alone.
        """
        if cache_hook.dbdict is not None:
            claim(cache_hook.dbdict.filename, self.identity())
        super().set_cache_hook(cache_hook)

    def _encode_pair(self, context: str, continuation: str) -> tuple[list[int], list[int]]:
        """As lm-eval's; a context of white space alone, where `hf` fails, is the empty one."""
        ids = super()._encode_pair(context, continuation)
        return (ids[0] or [self.eot_token_id], ids[1])

    def loglikelihood(
        self, requests: Sequence[Any], disable_tqdm: bool = True
    ) -> list[tuple[float, bool]]:
        """log p(continuation | context) in nats, and whether greedy decoding gives it.

        Raises UsageError for an empty continuation, and one that is longer than the context.
        """
        for request in requests:
            if request.args[1] == "":
                raise UsageError(f"the continuation of {_shown(request.args[0])} is empty")
        found: list[tuple[float, bool]] = super().loglikelihood(requests, disable_tqdm=True)
        return found

    def loglikelihood_rolling(
        self, requests: Sequence[Any], disable_tqdm: bool = True
    ) -> list[float]:
        """log p(text) in nats, in windows that do not overlap, the first after <|endoftext|>."""
        windows: list[_Request] = []
        n_windows: list[int] = []
        for (text,) in (request.args for request in requests):
            pairs = get_rolling_token_windows(
                token_list=self.tok_encode(text),
                prefix_token=self.prefix_token_id,
                max_seq_len=self.max_length,
                context_len=1,
            )
            before = len(windows)
            windows += [_Request(None, *make_disjoint_window(pair)) for pair in pairs]
            n_windows.append(len(windows) - before)
        scores = iter(self._loglikelihood_tokens(windows))
        sums = [math.fsum(next(scores)[0] for _ in range(n)) for n in n_windows]
        for request, total in zip(requests, sums, strict=True):
            self.cache_hook.add_partial("loglikelihood_rolling", request.args, total)
        return sums

    def _loglikelihood_tokens(
        self,
        requests: Sequence[tuple[Any, list[int], list[int]]],
        disable_tqdm: bool = True,
        **_: object,
    ) -> list[tuple[float, bool]]:
        asked = [_Request(*request) for request in requests]
        pairs = [self._pair(request) for request in asked]
        found: dict[int, tuple[float, bool]] = {}
        n_targets = sum(len(request.continuation) for request in asked)
        with self.model.reporter.task("scoring", n_targets, "tokens") as task:
            for block in _blocks(pairs):
                scored = loglikelihoods(self.model.scorer, [pairs[i] for i in block], task)
                for i, its in zip(block, scored, strict=True):
                    found[i] = its.logprob, its.is_greedy
                    if asked[i].texts is not None:
                        self.cache_hook.add_partial("loglikelihood", asked[i].texts, found[i])
        return [found[i] for i in range(len(pairs))]

    def _pair(self, request: _Request) -> TokenPair:
        """The tokens of a request, cut on the left. Raises UsageError."""
        n, most = len(request.continuation), self.max_length
        if not 0 < n <= most:
            what = "nothing" if request.texts is None else _shown(request.texts[1])
            raise UsageError(f"{what} has {n} tokens to score; expected 1 to {most}")
        ids = np.array((request.context + request.continuation)[-(most + 1) :], np.int64)
        return TokenPair(ids[:-n], ids[-n:])

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = True) -> list[str]:
        """Continuations up to the first stop text, greedy unless the task asks for samples.

        Samples depend on numpy's global seed, which lm-eval sets. Raises UsageError for arguments
        that the engine does not have, and if no room is left for a context.
        """
        found: dict[int, str] = {}
        groups: dict[Generation, list[int]] = {}
        for i, request in enumerate(requests):
            groups.setdefault(Generation.read(request.args[1]), []).append(i)
        with self.model.reporter.task("generating", len(requests), "texts") as task:
            for how, members in groups.items():
                contexts = [requests[i].args[0] for i in members]
                for j, text in self._generated(how, contexts):
                    request = requests[members[j]]
                    found[members[j]] = text
                    if not how.is_sampled:
                        self.cache_hook.add_partial("generate_until", request.args, text)
                    task.advance(1)
        return [found[i] for i in range(len(requests))]

    def _generated(self, how: Generation, contexts: list[str]) -> Iterator[tuple[int, str]]:
        """Yield (index, text). A context that comes several times gets as many samples."""
        room = self.max_length - how.max_tokens
        if room < 1:
            raise UsageError(
                f"max_gen_toks is {how.max_tokens}, which leaves no room for a prompt in a context"
                f" of {self.max_length} tokens"
            )
        places: dict[str, list[int]] = {}
        for i, context in enumerate(contexts):
            places.setdefault(context, []).append(i)
        prompts = [self._prompt(context, room) for context in places]
        n_samples = max(Counter(contexts).values()) if how.is_sampled else 1
        seed = int(np.random.randint(1 << 31)) if how.is_sampled else 0
        tokenizer, waiting = self.model.tokenizer, list(places.values())
        options = how.options(seed)
        for k, event in generate(self.model.transformer, tokenizer, prompts, options, n_samples):
            if isinstance(event, Generated) and waiting[k]:
                text = postprocess_generated_text(self._text(event.token_ids), how.until, None)
                n = 1 if how.is_sampled else len(waiting[k])
                yield from ((i, text) for i in waiting[k][:n])
                waiting[k] = waiting[k][n:]

    def _prompt(self, context: str, room: int) -> Prompt:
        ids = self.tok_encode(context) or [self.eot_token_id]
        return Prompt(np.array(ids[-room:], np.int64), max(0, len(ids) - room))

    def _text(self, token_ids: Iterable[int]) -> str:
        """The text of generated tokens. As in `hf`, special tokens are left out."""
        tokenizer = self.model.tokenizer
        plain = (i for i in token_ids if i not in tokenizer.special)
        return b"".join(map(tokenizer.token_bytes, plain)).decode(errors="replace")


def _blocks(pairs: Sequence[TokenPair]) -> Iterator[list[int]]:
    """The indices of the pairs, in blocks. Texts with a common prefix are neighbours."""
    block: list[int] = []
    n_tokens = 0
    for i in sorted(range(len(pairs)), key=lambda i: b"".join(ids.tobytes() for ids in pairs[i])):
        n = sum(map(len, pairs[i])) - 1
        if block and n_tokens + n > _BLOCK:
            yield block
            block, n_tokens = [], 0
        block.append(i)
        n_tokens += n
    if block:
        yield block


def _shown(text: str) -> str:
    """A text in an error: its end."""
    return repr(text if len(text) <= 60 else f"...{text[-60:]}")


if __name__ == "__main__":
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()
