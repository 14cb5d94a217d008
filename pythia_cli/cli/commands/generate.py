"""`pythia generate`: continues a prompt."""

from __future__ import annotations

import secrets
import sys
import time
from collections import deque
from pathlib import Path
from typing import Annotated

import typer

from pythia_cli.cli import inputs, item_options, opening, options
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.failures import Failures
from pythia_cli.cli.grouped import OUTPUT
from pythia_cli.cli.output import Notices, is_file
from pythia_cli.cli.prompts import (
    check_one_step,
    is_table_file,
    prompt_fields,
    read_prompts,
    with_known_ids,
)
from pythia_cli.cli.samples import SamplePrinter
from pythia_cli.errors import PythiaError
from pythia_cli.reporting import NO_TASK, Task

_SAMPLING = "Sampling, applied in this order"


def generate(
    prompt: Annotated[
        str | None,
        typer.Argument(help="The text to continue. Standard input, if any, comes before it. If it"
                       " begins with -, put -- before it."),
    ] = None,
    model: options.Model = None,
    steps: item_options.Steps = None,
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
                     help="Random seed. Default: random, shown by -v and --json; with --resume,"
                     " the one of before."),
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
        typer.Option(metavar="FILE", help="One prompt a line; - is standard input. TSV, CSV, JSON"
                     " lines and Parquet by suffix give a table, as -o does."),
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
    column: item_options.Column = None,
    input_format: item_options.InputFormat = None,
    null: item_options.Null = False,
    no_quotes: item_options.NoQuotes = False,
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
    output: item_options.Output = None,
    format: item_options.Format = None,
    resume: item_options.Resume = False,
    skip_errors: item_options.SkipErrors = False,
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

      pythia generate --prompt-file prompts.jsonl --field prompt -c 512,main -o out.jsonl
    """
    where = options.open_store(store)
    opening.read_ahead(model, steps, where)
    from pythia_cli.engine.generate import Generated, GenerateOptions
    from pythia_cli.engine.sampling import SamplingOptions
    from pythia_cli.errors import PromptTooLong

    notices = Notices(quiet=quiet, verbose=verbose)
    sampling = SamplingOptions(temperature, top_k, top_p, min_p, repetition_penalty)
    if prompt_file is not None and prompt is not None:
        raise CommandError("give a PROMPT or --prompt-file, not both")
    if top_logprobs is not None and not as_json:
        raise CommandError("--top-logprobs needs --json: a text has no place for them")
    for_tables = {
        "column": column, "input_format": input_format, "null": null, "no_quotes": no_quotes,
        "output": output, "format": format, "resume": resume, "skip_errors": skip_errors,
    }  # fmt: skip
    is_table = options.first_given(**for_tables) is not None or (
        prompt_file is not None and not as_ids and is_table_file(prompt_file)
    )
    if not is_table and steps is not None:
        check_one_step(steps)
    stops = tuple(inputs.argument_text(text, "--stop") for text in stop or ())
    chosen_seed = secrets.randbits(32) if seed is None else seed
    chosen = GenerateOptions(max_tokens, sampling, stops, ignore_eos, chosen_seed, top_logprobs)
    if is_table:
        from pythia_cli.cli.generated_table import checked_prompt_file, write_generated
        from pythia_cli.cli.item_choices import InputChoice, OutputChoice
        from pythia_cli.cli.item_runs import openers_of

        out = OutputChoice(output, format, as_json, resume, skip_errors)
        choice = InputChoice(column, input_format, null, no_quotes)
        file = checked_prompt_file(
            prompt_file, ids=as_ids, echo=echo, no_stream=no_stream, top_logprobs=top_logprobs
        )
        openers = openers_of(
            model, steps, where, notices,
            precision=precision, threads=threads, plain_text=plain_text,
        )  # fmt: skip
        write_generated(
            file, choice, openers, chosen, out, notices,
            seed=seed, num_samples=num_samples, truncate_prompt=truncate_prompt,
        )  # fmt: skip
        return
    failures = Failures(notices)
    prompts = read_prompts(prompt, prompt_file, notices, as_ids=as_ids)
    for error in prompts:
        if isinstance(error, PythiaError):
            failures.add(error)
    started = time.perf_counter()
    with opening.open_model(
        model, steps, where, notices,
        precision=precision, threads=threads, plain_text=plain_text,
    ) as opened:  # fmt: skip

        def place_of(index: int) -> str:
            return f"{inputs.name_of(prompt_file)}, line {index + 1}: " if prompt_file else ""

        if as_ids:
            prompts = with_known_ids(prompts, opened, failures, place_of)
        usable = {i: known for i, known in enumerate(prompts) if not isinstance(known, PythiaError)}
        indices = list(usable)
        fields = {i: prompt_fields(known, opened) for i, known in usable.items()}
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
