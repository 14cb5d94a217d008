"""Texts that are given to a command: files, standard input, arguments."""

from __future__ import annotations

import os
from pathlib import Path

from pythia_cli.errors import InputError, NotFound


def read_text(path: Path) -> str:
    """A text file, or standard input for `-`. Raises NotFound, InputError, ResourceError."""
    import sys

    from pythia_cli.errors import ResourceError

    name = "standard input" if str(path) == "-" else str(path)
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"{name} does not exist") from None
    except IsADirectoryError:
        raise InputError(name, "is a folder; name its files") from None
    except OSError as error:
        raise ResourceError(name, f"cannot be read ({error.strerror or error})") from error
    return decode_text(data, name)


def argument_text(argument: str, name: str) -> str:
    """An argument of the command line as text. Raises InputError where its bytes are no UTF-8."""
    return decode_text(os.fsencode(argument), name)


def decode_text(data: bytes, name: str) -> str:
    """UTF-8 as it stands. Raises InputError with the place of what is none."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            name,
            f"is not UTF-8 text: byte {data[error.start]:#04x} at offset {error.start}",
            hint="convert it first, with iconv -f latin1 -t utf-8",
        ) from None
