"""Reads the texts given to a command: files, standard input, arguments."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pythia_cli.errors import ResourceError
from pythia_cli.text.decode import decode_text


def read_text(path: str | Path) -> str:
    """Read a text file, or standard input for `-`. Raises NotFound, InputError, ResourceError."""
    from pythia_cli.files.reading import read_bytes

    if str(path) != "-":
        return decode_text(read_bytes(Path(path)), str(path))
    name = "standard input"
    try:
        data = sys.stdin.buffer.read()
    except OSError as error:
        raise ResourceError(name, f"cannot be read ({error.strerror or error})") from error
    return decode_text(data, name)


def argument_text(argument: str, name: str) -> str:
    """A command-line argument as text. name: its name in errors. Raises NotUtf8."""
    return decode_text(os.fsencode(argument), name)
