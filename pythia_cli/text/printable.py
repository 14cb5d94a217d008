"""Text made safe to show: control characters would move a terminal's cursor, or worse."""

from __future__ import annotations

_CONTROLS = {code: chr(0x2400 + code) for code in range(32)}
_CONTROLS |= {0x7F: "\u2421", **{code: f"\\x{code:02x}" for code in range(0x80, 0xA0)}}
_IN_TEXT = {code: shown for code, shown in _CONTROLS.items() if chr(code) not in "\t\n"}


def visible(text: str) -> str:
    """With pictures of control characters, but for tabs and line ends."""
    return text.translate(_IN_TEXT)


def one_line(text: str) -> str:
    """With pictures of all control characters."""
    return text.translate(_CONTROLS)
