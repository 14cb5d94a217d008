"""Reads token ids that are given in place of a text."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pythia_cli.cli import inputs
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.output import Notices
from pythia_cli.errors import InputError, PythiaError, TextTooShort
from pythia_cli.files.npy_header import npy_header
from pythia_cli.text.lines import lines_of
from pythia_cli.text.token_ids import IdLines, first_unknown, unknown
from pythia_cli.text.tokenizer import PythiaTokenizer

if TYPE_CHECKING:
    from pythia_cli.engine.text_plan import TextPlan
    from pythia_cli.measures.protocols import Protocol

_HINT = 'pythia tokenize --ids "some text", which prints the ids of a text'
_NPY = b"\x93NUMPY"
_PIECE = 1 << 20  # characters that are parsed at a time
_SPACE = re.compile(r"\s")
_ODD = re.compile(r"[^0-9\s]|[0-9]{19}")
_NO_ID = re.compile(r"(?<!\S)(?![0-9]{1,18}(?!\S))\S+")
_BETWEEN_LISTS = re.compile(r"\](\s*)\[")
_STRAY_COMMA = re.compile(r"^\s*,|,\s*(?:,|$)")


def parse_ids(text: str, place: str) -> np.ndarray[Any, Any]:
    """The token ids [n] int64 of a text: between white space or commas, or JSON lists.

    place: where the text is, for errors. Raises CommandError for what is no id, such as a negative
    number; if the text has several lines, with the line.
    """
    body = text.strip()
    begin = text.find(body)
    if body.startswith("[") and body.endswith("]"):
        body, begin = _BETWEEN_LISTS.sub(r" \1 ", body[1:-1]), begin + 1
    if "," in body:
        if (stray := _STRAY_COMMA.search(body)) is not None:
            raise _refused(text, begin + stray.start(), place, "a comma has no id beside it")
        body = body.replace(",", " ")
    parts = [np.empty(0, np.int64)]
    for at, piece in _pieces(body):
        if _ODD.search(piece) is not None and (bad := _NO_ID.search(piece)) is not None:
            what = f"{reprlib.repr(bad.group())} is not a token id"
            raise _refused(text, begin + at + bad.start(), place, what)
        words = piece.split()
        parts.append(np.fromiter(map(int, words), np.int64, len(words)))
    return np.concatenate(parts)


def read_ids(path: str | Path, notices: Notices, *, by_line: bool) -> IdLines:
    """The token ids of a file: a text as of `parse_ids`, or a .npy file of one dimension.

    by_line: each line has ids of its own. Raises CommandError, and as `read_text`.
    """
    data, name = inputs.read_data(path, notices), inputs.name_of(path)
    if data.startswith(_NPY):
        return IdLines.whole(_npy_ids(data, name))
    text = inputs.text_of(data, name, notices, used="read", line_ends_matter=False, formats=False)
    if not by_line:
        return IdLines.whole(parse_ids(text, name))
    lines = enumerate(lines_of(text), 1)
    return IdLines.of([parse_ids(line, f"{name}, line {number}") for number, line in lines])


def read_id_prompts(path: str | Path, notices: Notices) -> list[list[int] | PythiaError]:
    """The token ids of each line, or its error. Raises as `read_lines`."""
    name = inputs.name_of(path)
    found: list[list[int] | PythiaError] = []
    for number, line in enumerate(inputs.read_lines(path, notices, used="read", formats=False), 1):
        try:
            if isinstance(line, PythiaError):
                raise line
            found.append(parse_ids(line, f"{name}, line {number}").tolist())
        except PythiaError as error:
            found.append(error)
    return found


def plan_ids(
    protocol: Protocol, lines: IdLines, tokenizer: PythiaTokenizer, name: str
) -> Sequence[TextPlan]:
    """As `protocol.plan`, with a hint in its error. name: of the file."""
    try:
        return protocol.plan(lines, tokenizer, name)
    except TextTooShort:
        raise
    except InputError as error:
        raise CommandError(str(error), hint=_HINT) from error


def check_ids(lines: IdLines, tokenizer: PythiaTokenizer, place: str = "") -> None:
    """Raises CommandError for ids that no token has. place: where the lines are, with a colon."""
    if (at := first_unknown(lines.token_ids, tokenizer)) is not None:
        what = f"{lines.place_of(at)} {unknown(int(lines.token_ids[at]), tokenizer)}"
        raise CommandError(f"{place}{what}", hint=_HINT)


def _refused(text: str, at: int, place: str, what: str) -> CommandError:
    line = f", line {text.count(chr(10), 0, at) + 1}" if "\n" in text.strip() else ""
    return CommandError(f"{place}{line}: {what}", hint=_HINT)


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """The text cut at white space, each piece with where it begins."""
    at = 0
    while at < len(text):
        space = _SPACE.search(text, at + _PIECE)
        end = len(text) if space is None else space.start()
        yield at, text[at:end]
        at = end


def _npy_ids(data: bytes, name: str) -> np.ndarray[Any, Any]:
    """The ids [n] int64 in the content of a .npy file. Raises CommandError and InputError."""
    shape, _, dtype, begin = npy_header(data, name)
    if len(shape) != 1 or dtype.kind not in "iu":
        raise CommandError(
            f"{name}: holds {dtype} of the shape {shape}; expected token ids, whole numbers in one"
            " dimension"
        )
    if len(data) - begin != shape[0] * dtype.itemsize:
        raise CommandError(f"{name}: damaged: it is not as long as its header says")
    ids = np.frombuffer(data, dtype, offset=begin)
    bad = np.flatnonzero((ids < 0) | (ids >= 1 << 31))
    if bad.size:
        raise CommandError(f"{name}: element {bad[0]} is {ids[bad[0]]}, which is not a token id")
    return ids.astype(np.int64)
