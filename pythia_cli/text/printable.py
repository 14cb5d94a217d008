"""Replaces control characters, which could move a terminal's cursor or worse."""

from __future__ import annotations

_CONTROLS = {code: chr(0x2400 + code) for code in range(32)}
_CONTROLS |= {0x7F: "\u2421", **{code: f"\\x{code:02x}" for code in range(0x80, 0xA0)}}
_IN_TEXT = {code: shown for code, shown in _CONTROLS.items() if chr(code) not in "\t\n"}


def visible(text: str) -> str:
    """The text with visible signs for control characters, except tabs and line ends."""
    return text.translate(_IN_TEXT)


def one_line(text: str) -> str:
    """The text with visible signs for all control characters."""
    return text.translate(_CONTROLS)


def on_paper(text: str, longest: int) -> str:
    """The text in characters that can be drawn, cut in its middle to the longest length.

    Characters that are not printable, such as halves of surrogate pairs, are written as escapes.
    """
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
    half = (longest - 1) // 2
    return shown if len(shown) <= longest else f"{shown[: longest - 1 - half]}…{shown[-half:]}"
