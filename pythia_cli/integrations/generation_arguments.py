"""The arguments of lm-eval's `generate_until`, read as its `hf` model reads them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs

from pythia_cli.engine.generate import GenerateOptions
from pythia_cli.engine.sampling import SamplingOptions
from pythia_cli.errors import UsageError
from pythia_cli.text.tokenizer import END_OF_TEXT

_MAX_TOKENS = 256
"""lm-eval's default of max_gen_toks for `hf`."""

_TOP_K = 50
"""transformers' default of top_k for samples."""

_WITHOUT_EFFECT = {"num_beams": 1, "num_return_sequences": 1, "use_cache": True}
"""Arguments of transformers' `generate` that may have only this value here."""


@dataclass(frozen=True)
class Generation:
    """How to generate: stop texts, the most new tokens, and sampling; temperature 0 is greedy."""

    until: tuple[str, ...]
    max_tokens: int
    sampling: SamplingOptions

    @classmethod
    def read(cls, arguments: Mapping[str, Any]) -> Generation:
        """Read the `generation_kwargs` of a task.

        Raises UsageError for an argument that is unknown or has no effect here, and InvalidValue
        for a value out of range.
        """
        if not isinstance(arguments, Mapping):
            raise UsageError(f"generation_kwargs are {arguments!r}; expected an object")
        kwargs: dict[str, Any] = dict(normalize_gen_kwargs(dict(arguments), _MAX_TOKENS))
        until = handle_stop_sequences(kwargs.pop("until"), eos=END_OF_TEXT)
        max_tokens = kwargs.pop("max_gen_toks")
        is_sampled = kwargs.pop("do_sample")
        temperature = float(kwargs.pop("temperature", 0.0))
        if is_sampled and temperature == 0:
            raise UsageError("do_sample is set, but temperature is 0; expected more")
        options = {
            name: kwargs.pop(name, default)
            for name, default in (("top_k", _TOP_K), ("top_p", 1.0), ("min_p", 0.0))
        }
        options["min_p"] = options["min_p"] or 0.0
        penalty = kwargs.pop("repetition_penalty", 1.0)
        for name, value in kwargs.items():
            if name not in _WITHOUT_EFFECT or value != _WITHOUT_EFFECT[name]:
                raise UsageError(f"generation argument {name} is {value!r}; it is not supported")
        sampling = SamplingOptions(repetition_penalty=penalty, temperature=0.0)
        if is_sampled:
            sampling = SamplingOptions(temperature, repetition_penalty=penalty, **options)
        return cls(tuple(until), max_tokens, sampling)

    @property
    def is_sampled(self) -> bool:
        """Whether two runs may differ."""
        return self.sampling.temperature > 0

    def options(self, seed: int) -> GenerateOptions:
        """For our engine. An empty stop text ends the text at once, after the first token."""
        stop = tuple(text for text in self.until if text)
        max_tokens = self.max_tokens if len(stop) == len(self.until) else 1
        return GenerateOptions(max_tokens, self.sampling, stop, seed=seed)
