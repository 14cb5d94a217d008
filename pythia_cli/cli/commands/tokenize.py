"""`pythia tokenize`: the tokens of texts, and the text of tokens."""

from __future__ import annotations

import os
import re
import sys
import unicodedata
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pythia_cli.cli import inputs, options
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.failures import Failures
from pythia_cli.cli.grouped import OUTPUT
from pythia_cli.cli.output import Notices
from pythia_cli.errors import PythiaError

if TYPE_CHECKING:
    from pythia_cli.suite.checkpoint import Checkpoint
    from pythia_cli.text.encoded import Encoded
    from pythia_cli.text.tokenizer import PythiaTokenizer

_LIKE_A_FILE = re.compile(r"\S*(?:[/\\]\S*|\.[A-Za-z]\w{0,5})")


def tokenize(
    texts: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TEXT | FILE]...", show_default=False,
                       help="Texts, and files to read; - is standard input, also if none is named."
                       " An argument that names a file is read."),
    ] = None,
    model: options.Model = None,
    checkpoint: options.Step = None,
    decode: Annotated[
        bool,
        typer.Option("--decode", help="The other way round: ids from arguments or standard input,"
                     " text on stdout, byte for byte."),
    ] = False,
    as_text: Annotated[
        bool,
        typer.Option("--text", help="Arguments are texts, also where a file is called so."),
    ] = False,
    plain_text: options.PlainText = False,
    as_ids: Annotated[
        bool,
        typer.Option("--ids", rich_help_panel=OUTPUT, help="Only ids, a line for each text."),
    ] = False,
    count: Annotated[
        bool,
        typer.Option("--count", rich_help_panel=OUTPUT,
                     help="Only the number of tokens of each text, and the file's name."),
    ] = False,
    store: options.StoreFolder = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:  # fmt: skip
    """Show the tokens of texts: ids, pieces, and how many bytes of the text each covers.

    Only the tokenizer of the checkpoint is read, not its weights. In a pipe, tokens are a TSV of
    position, id, piece and n_bytes.

    Examples:

      pythia tokenize "It is a truth universally acknowledged"

      pythia tokenize --count book.txt chapters/*.txt

      pythia tokenize --ids "It was" | pythia tokenize --decode
    """
    notices = Notices(quiet=quiet)
    given = texts or []
    if as_ids + count + as_json > 1:
        raise CommandError("only one of --ids, --count and --json can write to stdout")
    if decode and as_ids + count + as_text:
        raise CommandError("--decode reads ids and writes text: --ids, --count and --text do not"
                           " go with it")  # fmt: skip
    from pythia_cli.checkpoints.open_tokenizer import find_tokenizer, open_tokenizer

    where = options.open_store(store)
    of = find_tokenizer(model, checkpoint, where)
    tokenizer = open_tokenizer(of, where, plain_text=plain_text, reporter=notices)
    name = _name(of)
    notices.say(_tokenizer_line(name))
    if decode:
        _decode(given, tokenizer, name, notices, as_json=as_json)
        return
    named = _named(given, notices, as_text=as_text)
    inputs.refuse_twice([file for file, _ in named if file is not None])
    from pythia_cli.cli.token_tables import TokenPrinter

    failures = Failures(notices)
    printer = TokenPrinter(tokenizer, name, as_json=as_json, as_ids=as_ids, count=count,
                           n_texts=len(named))  # fmt: skip
    for file, text in named:
        read = failures.attempt(_read, file, text, notices)
        if isinstance(read, PythiaError):
            printer.fail(file, read)
            continue
        encoded = failures.attempt(_encoded, tokenizer, read, file)
        if isinstance(encoded, PythiaError):
            printer.fail(file, encoded)
            continue
        printer.take(file, read, encoded)
        if not _is_spelled(read, encoded, tokenizer):
            source = "the text" if file is None else inputs.name_of(file)
            notices.say(f"{source}: is not in Unicode's form NFC; its tokens are of that form")
    failures.exit()


def _name(of: Checkpoint | Path) -> dict[str, str | None]:
    """`model` and `checkpoint` for records; a local folder is named by its path."""
    if isinstance(of, Path):
        return {"model": str(of), "checkpoint": None}
    return {"model": of.model, "checkpoint": of.revision}


def _tokenizer_line(name: dict[str, str | None]) -> str:
    from pythia_cli.suite.models import DEMO

    line = f"{' '.join(part for part in name.values() if part)}, tokenizer"
    return line + (": of a small built-in model, not of a Pythia" * (name["model"] == DEMO))


def _named(
    given: list[str], notices: Notices, *, as_text: bool
) -> list[tuple[str | None, str | None]]:
    """For each text, the name of its file and None, or None and the text."""
    if not given:
        return [("-", None)]
    named: list[tuple[str | None, str | None]] = []
    for argument in given:
        if not as_text and (argument == "-" or _is_file(argument)):
            named.append((argument, None))
            if argument.isalnum():
                notices.say(f"{argument}: read, as it is a file here; --text for the text itself")
            continue
        named.append((None, inputs.argument_text(argument, "TEXT")))
        if not as_text and _LIKE_A_FILE.fullmatch(argument):
            notices.say(f"{argument}: there is no such file, so this is tokenized as a text")
    return named


def _is_file(argument: str) -> bool:
    return os.path.exists(argument) and not os.path.isdir(argument)


def _read(name: str | None, text: str | None, notices: Notices) -> str:
    if name is None:
        return text or ""
    return inputs.read_text(name, notices, used="tokenized", line_ends_matter=False, formats=False)


def _encoded(tokenizer: PythiaTokenizer, text: str, name: str | None) -> Encoded:
    """The tokens of a text. Raises InputError with its name."""
    from pythia_cli.errors import InputError

    try:
        return tokenizer.encode_covering(text)
    except InputError as error:
        raise InputError("TEXT" if name is None else inputs.name_of(name), error.reason) from error


def _is_spelled(text: str, encoded: Encoded, tokenizer: PythiaTokenizer) -> bool:
    """Whether the tokens spell the text itself, as they do unless it is not in NFC."""
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return True
    from pythia_cli.text.token_ids import spelled_bytes

    return spelled_bytes(encoded.token_ids, tokenizer) == text.encode()


def _decode(
    given: list[str],
    tokenizer: PythiaTokenizer,
    name: dict[str, str | None],
    notices: Notices,
    *,
    as_json: bool,
) -> None:
    """Write the text of the ids in the arguments, or on standard input if there are none."""
    from pythia_cli.cli import token_ids
    from pythia_cli.cli.token_tables import TokenPrinter
    from pythia_cli.text.printable import visible
    from pythia_cli.text.token_ids import covering, spelled_bytes

    if given and given != ["-"]:
        place = "the arguments"
        lines = token_ids.IdLines.whole(token_ids.parse_ids(" ".join(given), place))
    else:
        place = inputs.name_of("-")
        lines = token_ids.read_ids("-", notices, by_line=as_json)
    ids = lines.token_ids
    token_ids.check_ids(lines, tokenizer, f"{place}: ")
    if as_json:
        printer = TokenPrinter(tokenizer, name, as_json=True)
        for begin, end in pairwise([0, *lines.ends]):
            own = ids[begin:end]
            text = spelled_bytes(own, tokenizer).decode(errors="replace")
            printer.take(None, text, covering(own, tokenizer))
        return
    data = spelled_bytes(ids, tokenizer)
    if sys.stdout.isatty():
        # An escape sequence in it would act on the terminal.
        text = visible(data.decode(errors="replace"))
        sys.stdout.write(text if text.endswith("\n") else f"{text}\n")
    else:
        sys.stdout.buffer.write(data)
