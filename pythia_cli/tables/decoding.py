"""Decodes single lines of an input, and refuses one that is not UTF-8 as a whole."""

from __future__ import annotations

import codecs

from pythia_cli.errors import InputError, NotUtf8
from pythia_cli.tables.byte_lines import LONGEST, ByteLine
from pythia_cli.tables.problems import ItemError
from pythia_cli.text.controls import SAMPLE
from pythia_cli.text.decode import decode_text
from pythia_cli.text.decode_lines import IN_SOME_LINES

_LONGEST_CHARACTER = 4  # bytes


def decode_line(line: ByteLine, source: str) -> str | InputError:
    """The text of a line, without its end; the error of one that is too long, or not UTF-8."""
    if line.is_too_long:
        return too_long(line, source)
    try:
        # NULs and controls are looked for at the beginning of the input: a line is too short to
        # tell UTF-16 from a text with a few of them.
        return line.data.decode("utf-8")
    except UnicodeDecodeError as error:
        return _not_utf8(line, error, source)


def _not_utf8(line: ByteLine, error: UnicodeDecodeError, source: str) -> NotUtf8:
    from pythia_cli.text.guess_encoding import guess_encoding

    # With its end, a character at the end of the line is not taken for one that was cut off.
    whole = line.data + line.end
    try:
        whole.decode("utf-8")
    except UnicodeDecodeError as found:
        error = found
    guess = guess_encoding(whole, error)
    return NotUtf8(source, whole[error.start], error.start, guess, line.number)


def too_long(line: ByteLine, source: str) -> ItemError:
    """The error of a line that is too long."""
    size = f"has {line.n_bytes / 1e6:,.0f} MB; at most {LONGEST >> 20} MiB are read"
    return ItemError(source, line.number, size)


def check_beginning(sample: bytes, source: str, *, are_nuls_ends: bool = False) -> None:
    """Raises NotUtf8 if the input is of another format or encoding as a whole.

    sample: its first bytes, at most SAMPLE. Single lines that are not UTF-8 may be right there.
    """
    if are_nuls_ends:
        sample = sample.replace(b"\0", b"\n")
    try:
        decode_text(_up_to_a_character(sample), source)
    except NotUtf8 as error:
        if error.guess not in IN_SOME_LINES:
            raise


def _up_to_a_character(sample: bytes) -> bytes:
    """The sample without a character that its end may have cut off."""
    if len(sample) < SAMPLE:
        return sample
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    decoder.decode(sample[-_LONGEST_CHARACTER:])
    n_open = len(decoder.getstate()[0])
    return sample[: len(sample) - n_open]
