"""`pythia perplexity`: measures how well a checkpoint predicts texts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pythia_cli.cli import inputs, opening, options
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.failures import Failures
from pythia_cli.cli.file_output import opened_output, refuse_one_file
from pythia_cli.cli.grouped import OUTPUT
from pythia_cli.cli.output import Notices
from pythia_cli.cli.perplexity_run import PerplexityRun
from pythia_cli.errors import PythiaError

if TYPE_CHECKING:
    from pythia_cli.engine.text_plan import TextPlan
    from pythia_cli.text.token_ids import IdLines

_PROTOCOL = "Protocol"


def perplexity(
    files: Annotated[
        list[str], typer.Argument(metavar="FILES...", help="UTF-8 text; - is standard input.")
    ],
    model: options.Model = None,
    checkpoint: options.Step = None,
    protocol: Annotated[
        Literal["stride", "llama.cpp", "lm-eval", "document"],
        typer.Option(metavar="NAME",
                     help="stride, llama.cpp, lm-eval or document: which tokens are scored.",
                     rich_help_panel=_PROTOCOL),
    ] = "stride",
    context: Annotated[
        int | None,
        typer.Option(metavar="N", min=2,
                     help="Tokens in a window. Default: the model's context; 512 for llama.cpp.",
                     rich_help_panel=_PROTOCOL),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Tokens between windows. Default: half the context.",
                     rich_help_panel=_PROTOCOL),
    ] = None,
    bos: Annotated[
        bool | None,
        typer.Option("--bos/--no-bos", help="Put <|endoftext|> before the text, so that its first"
                     " token is scored too.", rich_help_panel=_PROTOCOL),
    ] = None,
    dtype: options.Dtype = "int8",
    precision: options.Precision = "exact",
    per_token: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write one JSON object for each token; - is stdout.",
                     rich_help_panel=OUTPUT),
    ] = None,
    show: Annotated[
        bool,
        typer.Option("--show", help="Print the text, coloured by surprisal.",
                     rich_help_panel=OUTPUT),
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the text, coloured by surprisal, as a web page.",
                     rich_help_panel=OUTPUT),
    ] = None,
    as_ids: Annotated[
        bool,
        typer.Option("--ids", help="Files are token ids: between white space or commas, JSON lists,"
                     " or .npy of one dimension."),
    ] = False,
    plain_text: options.PlainText = False,
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:  # fmt: skip
    """Compute perplexity and bits per byte of texts, with a named protocol.

    Examples:

      pythia perplexity book.txt chapters/*.txt

      cat book.txt | pythia perplexity - --json | jq .bits_per_byte

      pythia perplexity book.txt -c 512 --per-token tokens.jsonl
    """
    where = options.open_store(store)
    opening.read_ahead(model, checkpoint, where)
    from pythia_cli.measures.protocols import Protocol

    notices = Notices(quiet=quiet, verbose=verbose)
    to_stdout = [str(path) for path in (per_token, html)].count("-")
    if to_stdout + show + as_json > 1:
        raise CommandError(
            "only one of --json, --show, --per-token - and --html - can write to stdout"
        )
    refuse_one_file(per_token, html)
    inputs.refuse_twice(files)
    failures = Failures(notices)
    is_by_line = protocol == "document"

    def read(name: str) -> str | IdLines:
        if not as_ids:
            return inputs.read_text(name, notices, line_ends_matter=not is_by_line)
        from pythia_cli.cli.token_ids import read_ids

        return read_ids(name, notices, by_line=is_by_line)

    texts = [(name, failures.attempt(read, name)) for name in files]
    if len(files) == 1:
        failures.exit()
    with opening.open_model(
        model, checkpoint, where, notices,
        dtype=dtype, precision=precision, threads=threads, plain_text=plain_text,
    ) as opened:  # fmt: skip
        chosen = Protocol.make(protocol, opened.config.n_ctx, context, stride, bos)
        tokenizer = opened.tokenizer

        def plan(name: str, text: str | IdLines | PythiaError) -> Sequence[TextPlan] | PythiaError:
            if isinstance(text, PythiaError):
                return text
            if isinstance(text, str):
                return failures.attempt(chosen.plan, text, tokenizer, inputs.name_of(name))
            from pythia_cli.cli.token_ids import plan_ids

            return failures.attempt(plan_ids, chosen, text, tokenizer, inputs.name_of(name))

        planned = [(name, plan(name, text)) for name, text in texts]
        if len(files) == 1:
            failures.exit()
        notices.detail(f"protocol {chosen.name}, context {chosen.context}, stride {chosen.stride}")
        if all(isinstance(plans, PythiaError) for _, plans in planned):
            per_token = html = None  # nothing to write, so an earlier file is kept
        with (
            opened_output(per_token, files) as write_token,
            opened_output(html, files) as write_page,
        ):
            keep = show or per_token is not None or html is not None
            run = PerplexityRun(
                opened,
                chosen,
                notices,
                as_json=as_json,
                show=show,
                to_stdout=bool(to_stdout),
                keep_tokens=keep,
                from_ids=as_ids,
            )
            run.score(planned, write_token)
            if write_page is not None:
                write_page(run.page())
    if html is not None and str(html) != "-":
        notices.say(f"wrote {html}")
    notices.detail(f"{run.totals.n_tokens / run.seconds:.1f} tokens/s, {run.seconds:.2f} s")
    failures.exit()
