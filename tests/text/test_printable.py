"""Control characters as pictures."""

from __future__ import annotations

from pythia_cli.text.printable import one_line, visible


def test_visible() -> None:
    assert visible("a\tb\n\x1b[2J\x7f\x9b\r") == "a\tb\n\u241b[2J\u2421\\x9b\u240d"


def test_one_line() -> None:
    assert one_line("a\tb\n\x1b") == "a\u2409b\u240a\u241b"
