"""Bytes of tokens as text."""

from __future__ import annotations


def spelled(data: bytes) -> str:
    """The text of a token; in hexadecimal if its bytes are not valid UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(f"\\x{byte:02x}" for byte in data)
