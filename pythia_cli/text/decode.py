"""Input bytes to text."""

from __future__ import annotations

from pythia_cli.errors import NotUtf8


def decode_text(data: bytes, source: str) -> str:
    """The text that these bytes of UTF-8 spell. Raises NotUtf8 with the first bad byte."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotUtf8(source, data[error.start], error.start) from None
