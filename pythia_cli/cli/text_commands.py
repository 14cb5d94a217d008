"""Commands of the shell that make plain UTF-8 text of input that is something else."""

from __future__ import annotations

import shlex

from pythia_cli.cli.streams import STANDARD_INPUT
from pythia_cli.errors import NotUtf8
from pythia_cli.text.guess_encoding import (
    BINARY,
    CUT_BEGINNING,
    CUT_END,
    CUT_END_OR_LATIN1,
    DAMAGED,
)
from pythia_cli.text.oddities import Oddity

_UNPACK = {
    "gzip": "gunzip -c",
    "bzip2": "bunzip2 -c",
    "xz": "xz -dc",
    "zstd": "zstd -dc",
    "lz4": "lz4 -dc",
    "zip": "unzip -p",
    "7z": "7z x -so",
}
_OTHERS = {
    BINARY: "give a text file",
    "PDF": "extract its text, with pdftotext",
    "Parquet": "write its column of texts to a text file",
}
_NAMES = {"Latin-1": "latin1", CUT_END_OR_LATIN1: "latin1"}
_WHAT_IT_DOES = {
    CUT_END: "  # leaves out its last character",
    CUT_END_OR_LATIN1: "  # or leave out its last character: head -c {offset}{file}",
    CUT_BEGINNING: "  # leaves out its first character",
    DAMAGED: "  # leaves out the damaged bytes",
}


def conversion(error: NotUtf8) -> str:
    """The command that prints the text that the error names as UTF-8."""
    guess, file = error.guess, file_argument(str(error.source))
    if guess in _OTHERS:
        return _OTHERS[guess]
    if guess == "tar":
        return f"tar -xOf{file or ' -'}"
    if error.line is not None:
        return f"sed -n {error.line}p{file} | {_command(error)}"
    comment = _WHAT_IT_DOES.get(guess or "", "").format(offset=error.offset, file=file)
    return f"{_command(error)}{file}{comment}"


def _command(error: NotUtf8) -> str:
    guess = error.guess
    if guess is None:
        return "iconv -f ENCODING -t utf-8"
    if guess in _UNPACK:
        return _UNPACK[guess]
    if guess == CUT_END:
        return f"head -c {error.offset}"
    if guess in (CUT_BEGINNING, DAMAGED):
        return "iconv -c -f utf-8 -t utf-8"
    encoding = _NAMES.get(guess, guess.lower())
    return f"iconv -f {encoding} -t utf-8"


def file_argument(source: str) -> str:
    """The file as an argument, after a space; nothing for standard input."""
    if source == STANDARD_INPUT:
        return ""
    # A name that begins with a minus sign would be read as options.
    return f" {shlex.quote(f'./{source}' if source.startswith('-') else source)}"


_REMARKS = {
    Oddity.BYTE_ORDER_MARK: ("begins with a byte-order mark, which is left out", None),
    Oddity.LATER_MARKS: (
        "has byte-order marks after its beginning, each of which is {used}",
        "sed \"s/$(printf '\\357\\273\\277')//g\"{file}",
    ),
    Oddity.NULS: ("has NUL characters, each of which is {used}", "tr -d '\\0'{from_file}"),
    Oddity.REPLACEMENTS: (
        "has U+FFFD characters: a program before this one could not decode its bytes",
        None,
    ),
    Oddity.CR_LF: ("has lines that end in CR LF, and each CR is {used}", "tr -d '\\r'{from_file}"),
    Oddity.CR: ("has CR characters, each of which is {used}", "tr '\\r' '\\n'{from_file}"),
    Oddity.JSON: ("looks like JSON, all of which is {used}", "jq -r .FIELD{file}"),
    Oddity.JSON_LINES: ("looks like JSON lines, all of which is {used}", "jq -r .FIELD{file}"),
    Oddity.TSV: ("looks like a table (TSV), all of which is {used}", "cut -f NUMBER{file}"),
    Oddity.CSV: ("looks like a table (CSV), all of which is {used}", None),
    Oddity.MARKUP: ("looks like HTML or XML, all of which is {used}", None),
}


def remark(oddity: Oddity, source: str, used: str) -> str:
    """A notice about an oddity of a text. used: what is done with it, such as "scored"."""
    file = file_argument(source)
    what, command = _REMARKS[oddity]
    line = f"{source}: {what.format(used=used)}"
    if command is None:
        return line
    from_file = f" <{file}" if file else ""
    return f"{line}; otherwise: {command.format(file=file, from_file=from_file)}"
