"""Commands of the shell that make plain UTF-8 text of input that is something else."""

from __future__ import annotations

import shlex

from pythia_cli.cli.inputs import STANDARD_INPUT
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


def conversion(error: NotUtf8) -> str:
    """The command that makes UTF-8 of the text that the error names."""
    guess, source = error.guess, str(error.source)
    file = "" if source == STANDARD_INPUT else f" {shlex.quote(source)}"
    if guess is None:
        return f"find out its encoding, and convert it: iconv -f ENCODING -t utf-8{file}"
    if guess in _UNPACK:
        return f"unpack it: {_UNPACK[guess]}{file}"
    if guess in _OTHERS:
        return _OTHERS[guess]
    if guess == CUT_END:
        return f"leave out its last character: head -c {error.offset}{file}"
    if guess == CUT_END_OR_LATIN1:
        cut = f"head -c {error.offset}{file}"
        return f"convert it: iconv -f latin1 -t utf-8{file}; or leave out its last character: {cut}"
    if guess == CUT_BEGINNING:
        return f"leave out its first character: iconv -c -f utf-8 -t utf-8{file}"
    if guess == DAMAGED:
        return f"leave out the damaged bytes: iconv -c -f utf-8 -t utf-8{file}"
    encoding = {"Latin-1": "latin1"}.get(guess, guess.lower())
    return f"convert it: iconv -f {encoding} -t utf-8{file}"


_REMARKS = {
    Oddity.BYTE_ORDER_MARK: ("begins with a byte-order mark, which is left out", None),
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
    file = "" if source == STANDARD_INPUT else f" {shlex.quote(source)}"
    what, command = _REMARKS[oddity]
    line = f"{source}: {what.format(used=used)}"
    if command is None:
        return line
    from_file = f" <{file}" if file else ""
    return f"{line}; otherwise: {command.format(file=file, from_file=from_file)}"
