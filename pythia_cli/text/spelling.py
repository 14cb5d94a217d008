"""Bytes of tokens as text."""

from __future__ import annotations


def spelled(data: bytes) -> str:
    """The text of a token; in hexadecimal if its bytes are not valid UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return "".join(f"\\x{byte:02x}" for byte in data)


# Readers of TSV take a quotation mark for the beginning of a quoted cell.
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), 0x7F, ord('"'))}
_ESCAPES |= {code: f"\\u{code:04x}" for code in (*range(0x80, 0xA0), 0x2028, 0x2029)}
_ESCAPES |= {ord(character): repr(character)[1:-1] for character in "\\\t\n\r"}


def escaped(data: bytes) -> str:
    """The bytes of a token as a cell of a TSV file; each backslash begins an escape of Python.

    Bytes that are not valid UTF-8 are `\\xNN`.
    """
    try:
        return data.decode("utf-8").translate(_ESCAPES)
    except UnicodeDecodeError:
        return spelled(data)


def in_cell(data: bytes, token_id: int) -> str:
    """A token as a short cell of a picture: spaces are seen as dots, and it is on one line.

    One without bytes, as ids that no token has, is its id in brackets.
    """
    if not data:
        return f"[{token_id}]"
    shown = (c if c.isprintable() else ascii(c)[1:-1] for c in spelled(data))
    return "".join(shown).replace(" ", "\u00b7")
