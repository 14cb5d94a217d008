"""`pythia generate`: continues a prompt."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pythia_cli.cli import inputs, opening, options
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.failures import Failures
from pythia_cli.cli.grouped import OUTPUT
from pythia_cli.cli.output import Notices, is_file
from pythia_cli.errors import PythiaError
from pythia_cli.reporting import NO_TASK, Task
from pythia_cli.text.printable import visible

if TYPE_CHECKING:
    from pythia_cli.engine.generate import Generated, GenerateOptions
    from pythia_cli.library.model import Model

_SAMPLING = "Sampling, applied in this order"


def generate(
    prompt: Annotated[
        str | None,
        typer.Argument(help="The text to continue. Standard input, if any, comes before it. If it"
                       " begins with -, put -- before it."),
    ] = None,
    model: options.Model = None,
    checkpoint: options.Step = None,
    max_tokens: Annotated[
        int, typer.Option("-n", "--max-tokens", min=1, metavar="N",
                          help="Generate at most N tokens.")
    ] = 128,
    repetition_penalty: Annotated[
        float,
        typer.Option(metavar="X", rich_help_panel=_SAMPLING,
                     help="1. Divide logits of earlier tokens by X (multiply if negative)."),
    ] = 1.0,
    temperature: Annotated[
        float,
        typer.Option("--temperature", "--temp", metavar="X", rich_help_panel=_SAMPLING,
                     help="2. Divide all logits by X; 0 is greedy."),
    ] = 1.0,
    top_k: Annotated[
        int,
        typer.Option(metavar="N", rich_help_panel=_SAMPLING,
                     help="3. Keep the N most probable tokens; 0: all.")
    ] = 0,
    top_p: Annotated[
        float,
        typer.Option(metavar="X", rich_help_panel=_SAMPLING,
                     help="4. Of these, keep the most probable that sum to at least X."),
    ] = 1.0,
    min_p: Annotated[
        float,
        typer.Option(metavar="X", rich_help_panel=_SAMPLING,
                     help="5. Keep tokens with at least X times the largest probability."),
    ] = 0.0,
    seed: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", rich_help_panel=_SAMPLING,
                     help="Random seed. Default: random, shown by -v and --json."),
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="Stop before this text; repeatable."),
    ] = None,
    ignore_eos: Annotated[
        bool, typer.Option("--ignore-eos", help="Do not stop at <|endoftext|>.")
    ] = False,
    num_samples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Continue each prompt N times, all at once.")
    ] = 1,
    prompt_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="One prompt a line; - is standard input."),
    ] = None,
    truncate_prompt: Annotated[
        bool,
        typer.Option("--truncate-prompt",
                     help="Of a prompt that leaves no room for --max-tokens, keep only the end,"
                     " but at least a quarter of the context."),
    ] = False,
    plain_text: options.PlainText = False,
    echo: Annotated[
        bool, typer.Option("--echo", help="Print the prompt too.", rich_help_panel=OUTPUT)
    ] = False,
    no_stream: Annotated[
        bool,
        typer.Option("--no-stream", help="Print a sample when it is done.", rich_help_panel=OUTPUT),
    ] = False,
    store: options.StoreFolder = None,
    precision: options.Precision = "exact",
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:  # fmt: skip
    """Continue a prompt. The text streams to stdout as it is decoded.

    By default, samples from the unmodified model: temperature 1 and no filters.

    Examples:

      pythia generate "Call me" -n 40

      echo "def fib(n):" | pythia generate --temperature 0 --stop "def "

      pythia generate "It was" --num-samples 4 --seed 1 --json | jq -r .text
    """
    where = options.open_store(store)
    opening.read_ahead(model, checkpoint, where)
    from pythia_cli.engine.generate import Generated, GenerateOptions
    from pythia_cli.engine.sampling import SamplingOptions
    from pythia_cli.errors import PromptTooLong

    notices = Notices(quiet=quiet, verbose=verbose)
    sampling = SamplingOptions(temperature, top_k, top_p, min_p, repetition_penalty)
    if prompt_file is not None and prompt is not None:
        raise CommandError("give a PROMPT or --prompt-file, not both")
    failures = Failures(notices)
    prompts = _prompts(prompt, prompt_file, notices)
    texts = {index: text for index, text in enumerate(prompts) if isinstance(text, str)}
    errors = {index: error for index, error in enumerate(prompts) if isinstance(error, PythiaError)}
    for error in errors.values():
        failures.add(error)
    chosen_seed = secrets.randbits(32) if seed is None else seed
    stops = tuple(inputs.argument_text(text, "--stop") for text in stop or ())
    chosen = GenerateOptions(max_tokens, sampling, stops, ignore_eos, chosen_seed)

    started = time.perf_counter()
    with opening.open_model(
        model, checkpoint, where, notices,
        precision=precision, threads=threads, plain_text=plain_text,
    ) as opened:  # fmt: skip
        indices, source = list(texts), inputs.name_of(prompt_file or "")
        failed = {index: str(error) for index, error in errors.items()}

        def skip(error: PromptTooLong) -> None:
            index = indices[error.index]
            place = "" if prompt_file is None else f"{source}, line {index + 1}: "
            failed[index] = f"{place}{error}"
            failures.add(error, place)

        events = opened.stream(
            list(texts.values()),
            chosen,
            num_samples=num_samples,
            truncate_prompt=truncate_prompt,
            skipped=skip,
        )
        load_seconds = time.perf_counter() - started
        if seed is None and temperature > 0:
            notices.detail(f"seed {chosen_seed}")
        printer = _Printer(
            opened, chosen, load_seconds, notices, echo=echo, stream=not no_stream, as_json=as_json
        )
        # Their records stand where those of the samples would.
        unprinted = deque(sorted(failed) if len(prompts) > 1 else ())

        def print_failed(before: int) -> None:
            while unprinted and unprinted[0] < before:
                index = unprinted.popleft()
                printer.fail(texts.get(index), failed[index])

        with _progress((len(prompts) - len(failed)) * num_samples, notices) as task:
            for i, event in events:
                print_failed(before=indices[i])
                printer.take(texts[indices[i]], event)
                task.advance(isinstance(event, Generated))
        print_failed(before=len(prompts))
    failures.exit()


def _progress(n_samples: int, notices: Notices) -> Task:
    """A bar for several samples that go to a file. A pipe may lead to the same screen."""
    if n_samples < 2 or not is_file(sys.stdout):
        return NO_TASK
    return notices.task("generating", n_samples, "samples")


def _prompts(
    prompt: str | None, prompt_file: Path | None, notices: Notices
) -> Sequence[str | PythiaError]:
    """The prompt with standard input before it, or the lines of the prompt file.

    A line that is not UTF-8 is its error.
    """
    from pythia_cli.errors import InputError

    if prompt_file is not None:
        lines = inputs.read_lines(prompt_file, notices, used="part of a prompt")
        if not lines:
            name = inputs.name_of(prompt_file)
            raise InputError(name, "has no prompts; expected one on each line")
        return lines
    piped = None if sys.stdin.isatty() else inputs.read_prompt(notices)
    if prompt is None:
        if piped is None:
            raise CommandError("there is no prompt", hint='pythia generate "Call me"')
        return [piped]
    prompt = inputs.argument_text(prompt, "PROMPT")
    return [prompt if piped is None else f"{piped}\n{prompt}"]


class _Printer:
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
            "load_seconds": load_seconds,
            **vars(options.sampling),
            "max_tokens": options.max_tokens,
            "stop": list(options.stop),
            "ignore_eos": options.ignore_eos,
            "seed": options.seed,
        }

    def fail(self, prompt: str | None, error: str) -> None:
        """With --json, print the record of a prompt that failed; None is one that is not UTF-8."""
        if self._as_json:
            _write(json.dumps({**self._identity, "prompt": prompt, "error": error}) + "\n")

    def take(self, prompt: str, event: str | Generated) -> None:
        """Print a piece of a sample's text, or finish the sample."""
        if isinstance(event, str):
            if self._stream and not self._as_json:
                _write(self._shown(prompt + event if self._echo and self._is_fresh else event))
                self._is_fresh = False
            return
        record = {**self._shared, "prompt": prompt, **event.to_dict()}
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
