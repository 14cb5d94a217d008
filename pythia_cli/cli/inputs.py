"""Reads the texts given to a command: files, standard input, arguments."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.output import Notices
from pythia_cli.cli.streams import STANDARD_INPUT
from pythia_cli.cli.waiting import Waiting
from pythia_cli.errors import InputError, NotUtf8, ResourceError
from pythia_cli.text.decode import decode_text
from pythia_cli.text.lines import lines_of

_STANDARD_INPUTS = ("-", "/dev/stdin", "/dev/fd/0")


def read_text(
    path: str | Path,
    notices: Notices | None = None,
    *,
    used: str = "scored",
    line_ends_matter: bool = True,
    formats: bool = True,
) -> str:
    """Read a text file, or standard input for `-`, and print notices of what is odd about it.

    used: what is done with the text, for the notices. line_ends_matter: have a notice of CR too.
    formats: of what looks like JSON or a table too.
    Raises NotFound, InputError, ResourceError.
    """
    notices = notices or Notices()
    data, name = read_data(path, notices), name_of(path)
    return text_of(data, name, notices, used, line_ends_matter=line_ends_matter, formats=formats)


def read_lines(
    path: str | Path, notices: Notices, *, used: str, formats: bool = True
) -> list[str | NotUtf8]:
    """As read_text, but one by one. A line that is not UTF-8 is its error.

    Raises NotUtf8 only if no line is UTF-8, or if the file is of another format.
    """
    data, name = read_data(path, notices), name_of(path)
    try:
        text = text_of(data, name, notices, used, line_ends_matter=False, formats=formats)
    except NotUtf8 as error:
        from pythia_cli.text.decode_lines import decode_lines

        lines = decode_lines(data, error)
        _notice_oddities(data, name, notices, used, line_ends_matter=False, formats=formats)
        return lines
    return list(lines_of(text))


def name_of(path: str | Path) -> str:
    """What a text is called in messages."""
    return STANDARD_INPUT if str(path) == "-" else str(path)


def waiting_for(path: str, notices: Notices) -> Waiting:
    """Around reading a pipe, a device, or standard input for `-`."""
    if path != "-":
        return Waiting(notices, f"waiting for {path}")
    end = "Ctrl-Z and Enter" if os.name == "nt" else "Ctrl-D"
    how = f"{end} ends it" if sys.stdin.isatty() else "if there is none to come: < /dev/null"
    return Waiting(notices, f"waiting for standard input ({how})")


def refuse_twice(paths: Sequence[str]) -> None:
    """Raises CommandError if standard input is among the texts more than once."""
    if sum(path in _STANDARD_INPUTS for path in paths) > 1:
        raise CommandError(f"{STANDARD_INPUT} was given twice, but can be read only once")


def refuse_same_file(paths: Sequence[str]) -> None:
    """Raises CommandError if a file is named twice: its items would count twice."""
    seen: dict[tuple[int, int], str] = {}
    for path in paths:
        if path in _STANDARD_INPUTS or not os.path.isfile(path):
            continue
        status = os.stat(path)
        first = seen.setdefault((status.st_dev, status.st_ino), path)
        if status.st_ino and first is not path:
            raise CommandError(f"{path} is the same file as {first}; name it once")


def read_prompt(notices: Notices, used: str = "part of the prompt") -> str | None:
    """Standard input, without the line end that `echo` and editors add; None if it is empty.

    used: as for `read_text`.
    """
    data = _standard_input(notices)
    end = next((end for end in (b"\r\n", b"\n", b"\r") if data.endswith(end)), b"")
    # A prompt may well look like JSON or a table.
    prompt = text_of(data.removesuffix(end), STANDARD_INPUT, notices, used, formats=False)
    return prompt if data else None


def argument_text(argument: str, name: str) -> str:
    """A command-line argument as text. name: its name in errors. Raises CommandError."""
    try:
        return os.fsencode(argument).decode()
    except UnicodeDecodeError as error:
        byte = os.fsencode(argument)[error.start]
        raise CommandError(
            f"{name} is not UTF-8 text: byte {byte:#04x} at offset {error.start}",
            hint="write it in UTF-8",
        ) from None


def read_data(path: str | Path, notices: Notices) -> bytes:
    """The bytes of a file, or of standard input for `-`. Raises as `read_text`."""
    return _standard_input(notices) if str(path) == "-" else _file(str(path), notices)


def _file(path: str, notices: Notices) -> bytes:
    from pythia_cli.files.reading import read_bytes

    if not path:
        raise InputError("the name of a text", "is empty")
    if os.path.isfile(path):
        return read_bytes(Path(path))
    with waiting_for(path, notices) as waiting:  # a pipe or a device
        return read_bytes(Path(path), waiting.arrived)


def _standard_input(notices: Notices) -> bytes:
    from pythia_cli.files.reading import read_stream

    stream: Any = sys.stdin.buffer
    try:
        with waiting_for("-", notices) as waiting:
            return read_stream(stream, STANDARD_INPUT, waiting.arrived)
    except OSError as error:
        raise ResourceError(
            STANDARD_INPUT, f"cannot be read ({error.strerror or error})"
        ) from error


def text_of(data: bytes, name: str, notices: Notices, used: str, **which: bool) -> str:
    """The text of data that was read. which: the notices, as for read_text. Raises NotUtf8."""
    text = decode_text(data, name)
    _notice_oddities(data, name, notices, used, **which)
    return text


def _notice_oddities(
    data: bytes,
    name: str,
    notices: Notices,
    used: str,
    *,
    line_ends_matter: bool = True,
    formats: bool = True,
) -> None:
    if not data:
        return
    # Imported here, because a command with a prompt starts sooner without them.
    from pythia_cli.cli.text_commands import remark
    from pythia_cli.text.oddities import LINE_ENDS, oddities

    for oddity in oddities(data, formats=formats):
        if line_ends_matter or oddity not in LINE_ENDS:
            notices.say(remark(oddity, name, used))
