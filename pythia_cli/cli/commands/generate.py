"""`pythia generate`: continues a prompt."""

from __future__ import annotations

import secrets
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pythia_cli.cli import inputs, opening, options
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.failures import Failures
from pythia_cli.cli.grouped import OUTPUT
from pythia_cli.cli.output import Notices, is_file
from pythia_cli.cli.samples import SamplePrinter
from pythia_cli.cli.streams import STANDARD_INPUT
from pythia_cli.errors import PythiaError
from pythia_cli.reporting import NO_TASK, Task

if TYPE_CHECKING:
    from pythia_cli.library.model import Model

Prompt = str | list[int]
"""A text, or token ids."""

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
    as_ids: Annotated[
        bool,
        typer.Option("--ids", help="Prompts are token ids: between spaces or commas, or a JSON"
                     " list."),
    ] = False,
    plain_text: options.PlainText = False,
    echo: Annotated[
        bool, typer.Option("--echo", help="Print the prompt too.", rich_help_panel=OUTPUT)
    ] = False,
    no_stream: Annotated[
        bool,
        typer.Option("--no-stream", help="Print a sample when it is done.", rich_help_panel=OUTPUT),
    ] = False,
    top_logprobs: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", rich_help_panel=OUTPUT,
                     help="With --json: the log-probability of each token, before the steps of"
                     " sampling, and the N most probable tokens with theirs."),
    ] = None,
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
    if top_logprobs is not None and not as_json:
        raise CommandError("--top-logprobs needs --json: a text has no place for them")
    failures = Failures(notices)
    prompts = _prompts(prompt, prompt_file, notices, as_ids=as_ids)
    for error in prompts:
        if isinstance(error, PythiaError):
            failures.add(error)
    chosen_seed = secrets.randbits(32) if seed is None else seed
    stops = tuple(inputs.argument_text(text, "--stop") for text in stop or ())
    chosen = GenerateOptions(max_tokens, sampling, stops, ignore_eos, chosen_seed, top_logprobs)

    started = time.perf_counter()
    with opening.open_model(
        model, checkpoint, where, notices,
        precision=precision, threads=threads, plain_text=plain_text,
    ) as opened:  # fmt: skip

        def place_of(index: int) -> str:
            return f"{inputs.name_of(prompt_file)}, line {index + 1}: " if prompt_file else ""

        if as_ids:
            prompts = _with_known_ids(prompts, opened, failures, place_of)
        usable = {i: known for i, known in enumerate(prompts) if not isinstance(known, PythiaError)}
        indices = list(usable)
        fields = {i: _fields(known, opened) for i, known in usable.items()}
        failed = {i: str(error) for i, error in enumerate(prompts) if i not in usable}

        def skip(error: PromptTooLong) -> None:
            index = indices[error.index]
            failed[index] = f"{place_of(index)}{error}"
            failures.add(error, place_of(index))

        events = opened.stream(
            list(usable.values()),
            chosen,
            num_samples=num_samples,
            truncate_prompt=truncate_prompt,
            skipped=skip,
        )
        load_seconds = time.perf_counter() - started
        if seed is None and temperature > 0:
            notices.detail(f"seed {chosen_seed}")
        printer = SamplePrinter(
            opened, chosen, load_seconds, notices, echo=echo, stream=not no_stream, as_json=as_json
        )
        # Their records stand where those of the samples would.
        unprinted = deque(sorted(failed) if len(prompts) > 1 else ())

        def print_failed(before: int) -> None:
            while unprinted and unprinted[0] < before:
                index = unprinted.popleft()
                printer.fail(fields.get(index, {"prompt": None}), failed[index])

        with _progress((len(prompts) - len(failed)) * num_samples, notices) as task:
            for i, event in events:
                print_failed(before=indices[i])
                printer.take(fields[indices[i]], event)
                task.advance(isinstance(event, Generated))
        print_failed(before=len(prompts))
    failures.exit()


def _progress(n_samples: int, notices: Notices) -> Task:
    """A bar for several samples that go to a file. A pipe may lead to the same screen."""
    if n_samples < 2 or not is_file(sys.stdout):
        return NO_TASK
    return notices.task("generating", n_samples, "samples")


def _prompts(
    prompt: str | None, prompt_file: Path | None, notices: Notices, *, as_ids: bool
) -> Sequence[Prompt | PythiaError]:
    """The prompt with standard input before it, or the lines of the prompt file.

    A line that is not UTF-8, or not ids, is its error.
    """
    from pythia_cli.errors import InputError

    if prompt_file is not None:
        lines: Sequence[Prompt | PythiaError]
        if as_ids:
            from pythia_cli.cli.token_ids import read_id_prompts

            lines = read_id_prompts(prompt_file, notices)
        else:
            lines = inputs.read_lines(prompt_file, notices, used="part of a prompt")
        if not lines:
            name = inputs.name_of(prompt_file)
            raise InputError(name, "has no prompts; expected one on each line")
        return lines
    piped = None if sys.stdin.isatty() else inputs.read_prompt(notices)
    if prompt is None and piped is None:
        raise CommandError("there is no prompt", hint='pythia generate "Call me"')
    named = [] if piped is None else [(STANDARD_INPUT, piped)]
    if prompt is not None:
        named.append(("PROMPT", inputs.argument_text(prompt, "PROMPT")))
    if not as_ids:
        return ["\n".join(text for _, text in named)]
    from pythia_cli.cli.token_ids import parse_ids

    return [[i for name, text in named for i in parse_ids(text, name).tolist()]]


def _with_known_ids(
    prompts: Sequence[Prompt | PythiaError],
    model: Model,
    failures: Failures,
    place_of: Callable[[int], str],
) -> list[Prompt | PythiaError]:
    """The prompts; in place of ids of which a token has none, the error, which is reported."""
    import numpy as np

    from pythia_cli.cli.token_ids import check_ids
    from pythia_cli.text.token_ids import IdLines

    def checked(index: int, prompt: Prompt | PythiaError) -> Prompt | PythiaError:
        if isinstance(prompt, str | PythiaError):
            return prompt
        lines = IdLines.whole(np.array(prompt, np.int64))
        failed = failures.attempt(check_ids, lines, model.tokenizer, place_of(index))
        return prompt if failed is None else failed

    return [checked(index, prompt) for index, prompt in enumerate(prompts)]


def _fields(prompt: Prompt, model: Model) -> dict[str, Any]:
    """The fields of a record that say what the prompt is."""
    if isinstance(prompt, str):
        return {"prompt": prompt}
    return {"prompt": model.decode(prompt), "prompt_token_ids": prompt}
