"""`pythia generate`: continue a prompt."""

from __future__ import annotations

import io
import json
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pythia_cli.cli import engine, inputs, opening, options
from pythia_cli.cli.grouped import OUTPUT
from pythia_cli.cli.render import Notices

if TYPE_CHECKING:
    import numpy as np

    from pythia_cli.engine.generate import GenerateOptions
    from pythia_cli.engine.transformer import Transformer
    from pythia_cli.text.tokenizer import PythiaTokenizer

_SAMPLING = "Sampling, applied in this order"


def generate(
    prompt: Annotated[
        str | None,
        typer.Argument(help="The text to continue; what stands on standard input comes before it."),
    ] = None,
    model: options.Model = None,
    checkpoint: options.Step = None,
    max_tokens: Annotated[
        int, typer.Option("-n", "--max-tokens", min=1, metavar="N",
                          help="The most tokens to generate.")
    ] = 128,
    repetition_penalty: Annotated[
        float,
        typer.Option(metavar="X", rich_help_panel=_SAMPLING,
                     help="1. Divide (if negative: multiply) logits of tokens already there."),
    ] = 1.0,
    temperature: Annotated[
        float,
        typer.Option("--temperature", "--temp", metavar="X", rich_help_panel=_SAMPLING,
                     help="2. Divide the logits; 0 is greedy."),
    ] = 1.0,
    top_k: Annotated[
        int,
        typer.Option(metavar="N", rich_help_panel=_SAMPLING,
                     help="3. Keep the k most probable; 0: all.")
    ] = 0,
    top_p: Annotated[
        float,
        typer.Option(metavar="X", rich_help_panel=_SAMPLING,
                     help="4. Of these, keep the most probable that together reach p."),
    ] = 1.0,
    min_p: Annotated[
        float,
        typer.Option(metavar="X", rich_help_panel=_SAMPLING,
                     help="5. Keep those with this fraction of the largest."),
    ] = 0.0,
    seed: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", rich_help_panel=_SAMPLING,
                     help="Draw the same again. Default: drawn; told by -v and --json."),
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="End where this text appears; repeatable."),
    ] = None,
    ignore_eos: Annotated[
        bool, typer.Option("--ignore-eos", help="Go on past <|endoftext|>.")
    ] = False,
    num_samples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Continue each prompt N times, all at once.")
    ] = 1,
    prompt_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="One prompt a line; - is standard input."),
    ] = None,
    truncate_prompt: Annotated[
        bool, typer.Option("--truncate-prompt", help="Keep the end of a prompt that is too long.")
    ] = False,
    plain_text: options.PlainText = False,
    echo: Annotated[
        bool, typer.Option("--echo", help="Print the prompt too.", rich_help_panel=OUTPUT)
    ] = False,
    no_stream: Annotated[
        bool,
        typer.Option("--no-stream", help="Print when a sample is done.", rich_help_panel=OUTPUT),
    ] = False,
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:  # fmt: skip
    """Continue a prompt; the text streams to stdout as it is decoded.

    The defaults are the plain model: temperature 1 and no filters.

    Examples:

      pythia generate "Call me" -n 40

      echo "def fib(n):" | pythia generate --temperature 0 --stop "def "

      pythia generate "It was" --num-samples 4 --seed 1 --json | jq -r .text
    """
    opened_store = opening.open_store(store)
    opening.read_ahead(model, checkpoint, opened_store)
    from pythia_cli.engine.generate import GenerateOptions
    from pythia_cli.engine.sampling import SamplingOptions
    from pythia_cli.errors import UsageError

    notices = Notices(quiet=quiet, verbose=verbose)
    sampling = SamplingOptions(temperature, top_k, top_p, min_p, repetition_penalty)
    if prompt_file is not None and prompt is not None:
        raise UsageError("give a PROMPT or --prompt-file, not both")
    prompts = _prompts(prompt, prompt_file)
    chosen_seed = secrets.randbits(32) if seed is None else seed
    stops = tuple(inputs.argument_text(text, "--stop") for text in stop or ())
    generation = GenerateOptions(max_tokens, sampling, stops, ignore_eos, chosen_seed)

    started = time.perf_counter()
    opened = opening.open_checkpoint(model, checkpoint, opened_store, notices)
    tokenizer = opened.tokenizer(plain_text=plain_text)
    encoded = _encode(prompts, prompt_file, tokenizer, opened.file.config.n_ctx, truncate_prompt)
    transformer = engine.open_transformer(opened.file, engine.choose_threads(threads), notices)
    load_seconds = time.perf_counter() - started

    record = {
        **opened.name(),
        "load_seconds": load_seconds,
        **vars(sampling),
        "max_tokens": max_tokens,
        "stop": list(generation.stop),
        "ignore_eos": ignore_eos,
        "seed": chosen_seed,
    }
    if seed is None and temperature > 0:
        notices.detail(f"seed {chosen_seed}")
    _run(transformer, tokenizer, prompts, encoded, generation, num_samples, record, notices,
         echo=echo, stream=not no_stream, as_json=as_json)  # fmt: skip


def _prompts(prompt: str | None, prompt_file: Path | None) -> list[str]:
    """The prompt with standard input before it, or the lines of the prompt file."""
    from pythia_cli.errors import InputError, UsageError

    if prompt_file is not None:
        # Only a line end ends a prompt: splitlines would cut at form feeds and the like as well.
        lines = list(io.StringIO(inputs.read_text(prompt_file), newline=None))
        if not lines:
            raise InputError(prompt_file, "has no prompts: expected one a line")
        return [line.removesuffix("\n") for line in lines]
    piped = ""
    if sys.stdin is not None and not sys.stdin.isatty():
        piped = inputs.read_text(Path("-"))
    if prompt is None and not piped:
        raise UsageError("there is no prompt", hint='pythia generate "Call me"')
    # The line end that echo or a file brings is not part of the text to continue.
    if prompt is None:
        return [piped.removesuffix("\n")]
    prompt = inputs.argument_text(prompt, "PROMPT")
    return [f"{piped.removesuffix(chr(10))}\n{prompt}" if piped else prompt]


def _encode(
    prompts: list[str],
    prompt_file: Path | None,
    tokenizer: PythiaTokenizer,
    n_ctx: int,
    truncate: bool,
) -> list[np.ndarray[Any, Any]]:
    from pythia_cli.engine.generate import prompt_tokens
    from pythia_cli.errors import PromptTooLong

    encoded = []
    for number, text in enumerate(prompts, start=1):
        try:
            encoded.append(prompt_tokens(tokenizer, text, n_ctx, truncate=truncate))
        except PromptTooLong as error:
            where = f"{prompt_file}, line {number}" if prompt_file is not None else ""
            raise PromptTooLong(error.n_prompt_tokens, error.n_ctx, where) from None
    return encoded


def _run(
    transformer: Transformer,
    tokenizer: PythiaTokenizer,
    prompts: list[str],
    encoded: list[np.ndarray[Any, Any]],
    generation: GenerateOptions,
    num_samples: int,
    record: dict[str, Any],
    notices: Notices,
    *,
    echo: bool,
    stream: bool,
    as_json: bool,
) -> None:
    """All samples of all prompts, to stdout."""
    from pythia_cli.engine.generate import generate as events

    fresh = True
    for prompt_index, event in events(transformer, tokenizer, encoded, generation, num_samples):
        prompt = prompts[prompt_index]
        if isinstance(event, str):
            if stream and not as_json:
                _write(prompt + event if echo and fresh else event)
                fresh = False
            continue
        if as_json:
            _write(json.dumps(_record(record, prompt, event)) + "\n")
        else:
            rest = "" if stream and not fresh else (prompt if echo else "")
            _write(rest + ("\n" if stream else event.text + "\n"))
        fresh = True
        if event.context_full:
            notices.say(
                f"stopped after {len(event.token_ids)} tokens: the context of"
                f" {transformer.config.n_ctx} is full"
            )
        figures = _record(record, prompt, event)
        notices.detail(
            f"load {figures['load_seconds']:.2f} s;"
            f" prefill {event.n_prompt_tokens} tokens, {event.prefill_seconds:.3f} s"
            f" ({_rate(figures['prefill_tokens_per_second'])} tokens/s);"
            f" decode {len(event.token_ids)} tokens, {event.decode_seconds:.3f} s"
            f" ({_rate(figures['decode_tokens_per_second'])} tokens/s);"
            f" finish_reason {event.finish_reason}"
        )


def _record(shared: dict[str, Any], prompt: str, sample: Any) -> dict[str, Any]:
    """One JSON object; see docs/output.md for its fields."""
    n_generated = len(sample.token_ids)
    # The first token comes out of the prefill: decoding made the others.
    n_decoded = n_generated - 1
    return {
        **shared,
        "prompt": prompt,
        "text": sample.text,
        "token_ids": sample.token_ids,
        "n_prompt_tokens": sample.n_prompt_tokens,
        "n_generated": n_generated,
        "finish_reason": sample.finish_reason,
        "prefill_seconds": sample.prefill_seconds,
        "decode_seconds": sample.decode_seconds,
        "prefill_tokens_per_second": sample.n_prompt_tokens / sample.prefill_seconds,
        "decode_tokens_per_second": n_decoded / sample.decode_seconds if n_decoded > 0 else None,
    }


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
