"""Decodes input bytes to text."""

from __future__ import annotations

from pythia_cli.errors import NotUtf8


def decode_text(data: bytes, source: str) -> str:
    """Decode UTF-8. Raises NotUtf8, with the source and the first invalid byte."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotUtf8(source, data[error.start], error.start) from None
