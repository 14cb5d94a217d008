"""Control characters as pictures."""

from __future__ import annotations

from pythia_cli.text.printable import on_paper, one_line, visible


def test_visible() -> None:
    assert visible("a\tb\n\x1b[2J\x7f\x9b\r") == "a\tb\n\u241b[2J\u2421\\x9b\u240d"


def test_one_line() -> None:
    assert one_line("a\tb\n\x1b") == "a\u2409b\u240a\u241b"


def test_on_paper() -> None:
    assert on_paper("a b\n\x1b\udcff\u202e", 99) == "a b\\n\\x1b\\udcff\\u202e"
    assert on_paper("0123456789", 10) == "0123456789"
    assert on_paper("0123456789", 7) == "012…789"
    assert on_paper("日本", 9) == "日本"
