"""`pythia perplexity`: how well a checkpoint predicts texts."""

from __future__ import annotations

import contextlib
import json
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TextIO

import typer

from pythia_cli.cli import completing, engine, inputs, opening, options
from pythia_cli.cli.grouped import OUTPUT
from pythia_cli.cli.render import Notices
from pythia_cli.cli.showing import show_documents, write_page

if TYPE_CHECKING:
    from pythia_cli.perplexity import Document, Scorer, Totals
    from pythia_cli.tokenizer import PythiaTokenizer

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
    from pythia_cli import perplexity as scoring
    from pythia_cli.errors import ResourceError, UsageError

    notices = Notices(quiet=quiet, verbose=verbose)
    if show and (as_json or str(per_token) == "-"):
        raise UsageError("--show is for people: without --json, and --per-token to a file")
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

    everything = scoring.Totals()
    started = time.perf_counter()
    with _opened_per_token(per_token, files) as token_file:
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
                    if token_file is not None:
                        try:
                            _write_tokens(token_file, name, document, position, tokenizer)
                        except OSError as error:
                            raise ResourceError(
                                per_token or "-", f"cannot be written ({error.strerror})"
                            ) from error
                    position += len(document.token_ids)
                with notices.aside():
                    if show:
                        show_documents(documents)
                    _print(name, totals, shared, time.perf_counter() - begun, as_json)
                everything += totals
        if len(prepared) > 1:
            _print(None, everything, shared, time.perf_counter() - started, as_json)
    if html is not None:
        write_page(html, prepared, everything, shared)
        notices.say(f"wrote {html}")
    seconds = time.perf_counter() - started
    notices.detail(f"{everything.n_tokens / seconds:.1f} tokens/s, {seconds:.2f} s")


def _scorer(
    opened: opening.Opened, dtype: str, context: int, n_threads: int, notices: Notices
) -> Scorer:
    if dtype == "float32":
        folder = opened.float_folder()
        from pythia_cli.hf_checkpoint import FloatCheckpoint
        from pythia_cli.model.reference import Reference

        reference = Reference.from_checkpoint(FloatCheckpoint(folder), n_threads)
        return reference.score
    transformer = engine.open_transformer(opened.file, n_threads, notices)
    cache = transformer.new_cache(context)

    def score(token_ids: Any, targets: Any) -> Any:
        cache.truncate(0)
        return transformer.score(token_ids, targets, cache)

    return score


@contextlib.contextmanager
def _opened_per_token(path: Path | None, inputs: list[str]) -> Iterator[TextIO | None]:
    """The file of token records: written aside, and put in place when all is well.

    A link is followed; a device or a pipe is written as it stands. Raises InputError for a folder
    or for one of the inputs, ResourceError.
    """
    from pythia_cli.errors import InputError, ResourceError

    if path is None:
        yield None
        return
    if str(path) == "-":
        yield sys.stdout
        return
    # /dev/stdout leads through /proc to a file that is open elsewhere: never to be replaced.
    in_place = str(path).startswith(("/dev/", "/proc/"))
    target = path if in_place else path.resolve()
    in_place = in_place or (target.exists() and not target.is_file())
    if target.is_dir():
        raise InputError(path, "is a folder; name a file to write")
    if any(name != "-" and target.exists() and target.samefile(name) for name in inputs):
        raise InputError(path, "is one of the texts; name another file to write")
    aside = target.with_name(f".{target.name}-{secrets.token_hex(6)}")
    try:
        file = target.open("w", encoding="ascii") if in_place else aside.open("x", encoding="ascii")
    except OSError as error:
        raise ResourceError(path, f"cannot be written ({error.strerror})") from error
    try:
        with file:
            yield file
        if not in_place:
            aside.replace(target)
    finally:
        if not in_place:
            aside.unlink(missing_ok=True)


def _write_tokens(
    file: TextIO, name: str, document: Document, position: int, tokenizer: PythiaTokenizer
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
        file.write(json.dumps(record) + "\n")


def _print(
    name: str | None, totals: Totals, shared: dict[str, Any], seconds: float, as_json: bool
) -> None:
    figures = totals.figures()
    if as_json:
        record = {
            "file": name,
            **shared,
            **figures,
            "seconds": seconds,
            "tokens_per_second": totals.n_tokens / seconds,
        }
        sys.stdout.write(json.dumps(record) + "\n")
    else:
        bits = figures["bits_per_byte"]
        value, error = figures["perplexity"], figures["stderr"]
        sys.stdout.write(
            f"{'total' if name is None else name}: "
            f"perplexity {'over 1e308' if value is None else f'{value:.4f}'}"
            f"{'' if error is None else f' +/- {error:.4f}'},"
            f" bits per byte {'-' if bits is None else f'{bits:.4f}'},"
            f" nll {totals.nll / totals.n_tokens:.4f} nats a token,"
            f" {totals.n_tokens} tokens ({shared['protocol']}, context {shared['context']},"
            f" stride {shared['stride']}{', bos' if shared['bos'] else ''})\n"
        )
    sys.stdout.flush()
