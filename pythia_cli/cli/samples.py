"""Prints generated samples as they come."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from pythia_cli.cli.output import Notices
from pythia_cli.release import arithmetic_of
from pythia_cli.text.printable import visible

if TYPE_CHECKING:
    from pythia_cli.engine.generate import Generated, GenerateOptions
    from pythia_cli.library.model import Model


class SamplePrinter:
    """Prints samples on stdout as they come, and notices on stderr."""

    def __init__(
        self,
        model: Model,
        options: GenerateOptions,
        load_seconds: float,
        notices: Notices,
        *,
        echo: bool,
        stream: bool,
        as_json: bool,
    ) -> None:
        self._n_ctx = model.config.n_ctx
        self._notices = notices
        self._echo, self._stream, self._as_json = echo, stream, as_json
        self._is_fresh = True  # no text of this sample is printed yet
        # An escape sequence in a prompt, or drawn, would act on a terminal.
        self._shown = visible if sys.stdout.isatty() else str
        self._identity = model.opened.identity()
        self._shared = {
            **self._identity,
            "precision": model.precision,
            **arithmetic_of(model.precision),
            "load_seconds": load_seconds,
            **vars(options.sampling),
            "max_tokens": options.max_tokens,
            "stop": list(options.stop),
            "ignore_eos": options.ignore_eos,
            "seed": options.seed,
        }

    def fail(self, prompt: dict[str, Any], error: str) -> None:
        """With --json, print the record of a prompt that failed. prompt: its fields."""
        if self._as_json:
            _write(json.dumps({**self._identity, **prompt, "error": error}) + "\n")

    def take(self, fields: dict[str, Any], event: str | Generated) -> None:
        """Print a piece of a sample's text, or finish the sample. fields: of its prompt."""
        prompt = str(fields["prompt"])
        if isinstance(event, str):
            if self._stream and not self._as_json:
                _write(self._shown(prompt + event if self._echo and self._is_fresh else event))
                self._is_fresh = False
            return
        record = {**self._shared, **fields, **event.to_dict()}
        if self._as_json:
            _write(json.dumps(record) + "\n")
        else:
            rest = "" if self._stream and not self._is_fresh else (prompt if self._echo else "")
            _write(self._shown(rest + ("\n" if self._stream else event.text + "\n")))
        self._is_fresh = True
        if event.context_full:
            self._notices.say(
                f"stopped after {len(event.token_ids)} tokens: the context of {self._n_ctx} is full"
            )
        self._notices.detail(_timings(record))


def _timings(record: dict[str, Any]) -> str:
    return (
        f"load {record['load_seconds']:.2f} s;"
        f" prefill {record['n_prompt_tokens']} tokens, {record['prefill_seconds']:.3f} s"
        f" ({_rate(record['prefill_tokens_per_second'])} tokens/s);"
        f" decode {record['n_generated']} tokens, {record['decode_seconds']:.3f} s"
        f" ({_rate(record['decode_tokens_per_second'])} tokens/s);"
        f" finish_reason {record['finish_reason']}"
    )


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
