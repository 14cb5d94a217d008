"""`pythia perplexity`: how well a checkpoint predicts texts."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pythia_cli.cli import completing, engine, inputs, opening, options
from pythia_cli.cli.grouped import OUTPUT
from pythia_cli.cli.outputs import Write, opened_output
from pythia_cli.cli.render import Notices
from pythia_cli.cli.showing import page_of, show_documents
from pythia_cli.cli.tables import table
from pythia_cli.text.printable import one_line

if TYPE_CHECKING:
    from pythia_cli.measures.perplexity import Document, Scorer, Totals
    from pythia_cli.text.tokenizer import PythiaTokenizer

_PROTOCOL = "Protocol"


def perplexity(
    files: Annotated[
        list[str], typer.Argument(metavar="FILES...", help="UTF-8 text; - is standard input.")
    ],
    model: options.Model = None,
    checkpoint: options.Step = None,
    protocol: Annotated[
        str,
        typer.Option(metavar="NAME", help="stride, llama.cpp, lm-eval or document.",
                     autocompletion=completing.protocols,
                     rich_help_panel=_PROTOCOL),
    ] = "stride",
    context: Annotated[
        int | None,
        typer.Option(metavar="N", min=2,
                     help="Tokens of a window. Default: the model's; llama.cpp 512.",
                     rich_help_panel=_PROTOCOL),
    ] = None,
    stride: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="How far the window moves. Default: half of it.",
                     rich_help_panel=_PROTOCOL),
    ] = None,
    bos: Annotated[
        bool | None,
        typer.Option("--bos/--no-bos", help="<|endoftext|> before the text, so that its first"
                     " token is scored too.", rich_help_panel=_PROTOCOL),
    ] = None,
    dtype: Annotated[
        Literal["int8", "float32"],
        typer.Option(help="float32: the slow reference, on the float checkpoint's own folder."),
    ] = "int8",
    per_token: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="One JSON object a token; - is stdout.",
                     rich_help_panel=OUTPUT),
    ] = None,
    show: Annotated[
        bool,
        typer.Option("--show", help="Print the text too, coloured by surprisal.",
                     rich_help_panel=OUTPUT),
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the text, coloured by surprisal, as a web page.",
                     rich_help_panel=OUTPUT),
    ] = None,
    plain_text: options.PlainText = False,
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:  # fmt: skip
    """Score texts: perplexity and bits per byte, by a named protocol.

    Examples:

      pythia perplexity book.txt chapters/*.txt

      cat book.txt | pythia perplexity - --json | jq .bits_per_byte

      pythia perplexity book.txt -c 512 --per-token tokens.jsonl
    """
    opened_store = opening.open_store(store)
    opening.read_ahead(model, checkpoint, opened_store)
    from pythia_cli.errors import UsageError
    from pythia_cli.measures import perplexity as scoring

    notices = Notices(quiet=quiet, verbose=verbose)
    to_stdout = [str(path) for path in (per_token, html)].count("-")
    if to_stdout + show + as_json > 1:
        raise UsageError("only one of --json, --show, --per-token - and --html - goes to stdout")
    scoring.Protocol.make(protocol, 2, None, None, None)  # an unknown name is told first
    texts = [(name, inputs.read_text(Path(name))) for name in files]
    opened = opening.open_checkpoint(model, checkpoint, opened_store, notices, dtype)
    chosen = scoring.Protocol.make(protocol, opened.file.config.n_ctx, context, stride, bos)
    tokenizer = opened.tokenizer(plain_text=plain_text)
    prepared = []
    for name, text in texts:
        documents = scoring.documents(text, chosen, tokenizer)
        n_scored = sum(w.end - w.first for d in documents for w in scoring.plan(d, chosen))
        scoring.check_long_enough(name, n_scored, sum(len(d.token_ids) for d in documents), chosen)
        prepared.append((name, documents, n_scored))
    shared = {
        **opened.provenance(),
        "dtype": dtype,
        "protocol": chosen.name,
        "context": chosen.context,
        "stride": chosen.stride,
        "bos": chosen.bos,
        "plain_text": plain_text,
    }
    if dtype == "float32":
        shared["quantization"] = None
    notices.detail(f"protocol {chosen.name}, context {chosen.context}, stride {chosen.stride}")

    # In a terminal; whoever reads a pipe gets each line when it is known.
    in_table = len(prepared) > 1 and sys.stdout.isatty() and not (as_json or show or to_stdout)
    # Where stdout is for something else, figures are for people.
    tell: Callable[[str], object] = notices.say if to_stdout else typer.echo
    rows: list[tuple[str, Totals]] = []
    everything = scoring.Totals()
    started = time.perf_counter()
    with (
        opened_output(per_token, files) as write_record,
        opened_output(html, files) as write_page,
    ):
        scorer = _scorer(opened, dtype, chosen.context, engine.choose_threads(threads), notices)
        started = time.perf_counter()
        with notices.progress("scoring", sum(n for _, _, n in prepared), "tokens") as progress:
            for name, documents, _ in prepared:
                begun = time.perf_counter()
                totals = scoring.Totals()
                position = 0
                for document in documents:
                    scoring.score_document(
                        document, chosen, tokenizer.end_of_text, scorer, progress
                    )
                    totals += document.totals()
                    if write_record is not None:
                        _write_tokens(write_record, name, document, position, tokenizer)
                    position += len(document.token_ids)
                with notices.aside():
                    if show:
                        show_documents(documents)
                    if not in_table:
                        tell(_line(name, totals, shared, time.perf_counter() - begun, as_json))
                rows.append((name, totals))
                everything += totals
        if in_table:
            tell("\n".join(_table([*rows, ("total", everything)], shared)))
        elif len(prepared) > 1:
            tell(_line(None, everything, shared, time.perf_counter() - started, as_json))
        if write_page is not None:
            write_page(page_of(prepared, everything, shared))
    if html is not None and str(html) != "-":
        notices.say(f"wrote {html}")
    seconds = time.perf_counter() - started
    notices.detail(f"{everything.n_tokens / seconds:.1f} tokens/s, {seconds:.2f} s")


def _scorer(
    opened: opening.Opened, dtype: str, context: int, n_threads: int, notices: Notices
) -> Scorer:
    if dtype == "float32":
        folder = opened.float_folder()
        from pythia_cli.checkpoints.float_checkpoint import FloatCheckpoint
        from pythia_cli.engine.reference import Reference

        reference = Reference.from_checkpoint(FloatCheckpoint(folder), n_threads)
        return reference.score
    transformer = engine.open_transformer(opened.file, n_threads, notices)
    cache = transformer.new_cache(context)

    def score(token_ids: Any, targets: Any) -> Any:
        cache.truncate(0)
        return transformer.score(token_ids, targets, cache)

    return score


def _write_tokens(
    write: Write, name: str, document: Document, position: int, tokenizer: PythiaTokenizer
) -> None:
    for token in document.records(tokenizer, position):
        try:
            text = token.data.decode("utf-8")
        except UnicodeDecodeError:
            text = "".join(f"\\x{byte:02x}" for byte in token.data)
        record = {
            "file": name,
            "position": token.position,
            "token_id": token.token_id,
            "text": text,
            "n_bytes": token.n_bytes,
            "nll": token.nll,
            "entropy": token.entropy,
            "rank": token.rank,
        }
        write(json.dumps(record) + "\n")


def _table(rows: list[tuple[str, Totals]], shared: dict[str, Any]) -> list[str]:
    """A line for each file."""
    heads = {"perplexity": "perplexity", "stderr": "+/-", "bits_per_byte": "bits/byte"}
    cells = []
    for name, totals in rows:
        figures = totals.figures()
        told = ["-" if figures[f] is None else f"{figures[f]:.4f}" for f in heads]
        cells.append([name, *told, str(totals.n_tokens)])
    dispensable = ["+/-", "tokens", "bits/byte"]
    lines = table(["", *heads.values(), "tokens"], cells, dispensable, keep=8)
    return [*lines, _protocol(shared)]


def _protocol(shared: dict[str, Any]) -> str:
    bos = ", bos" if shared["bos"] else ""
    return f"{shared['protocol']}, context {shared['context']}, stride {shared['stride']}{bos}"


def _line(
    name: str | None, totals: Totals, shared: dict[str, Any], seconds: float, as_json: bool
) -> str:
    figures = totals.figures()
    if as_json:
        record = {
            "file": name,
            **shared,
            **figures,
            "seconds": seconds,
            "tokens_per_second": totals.n_tokens / seconds,
        }
        return json.dumps(record)
    bits = figures["bits_per_byte"]
    value, error = figures["perplexity"], figures["stderr"]
    return (
        f"{'total' if name is None else one_line(name)}: "
        f"perplexity {'over 1e308' if value is None else f'{value:.4f}'}"
        f"{'' if error is None else f' +/- {error:.4f}'},"
        f" bits per byte {'-' if bits is None else f'{bits:.4f}'},"
        f" nll {totals.nll / totals.n_tokens:.4f} nats a token,"
        f" {totals.n_tokens} tokens ({_protocol(shared)})"
    )
