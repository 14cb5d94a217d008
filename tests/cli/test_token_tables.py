"""Tokens in a terminal: a table that shows spaces, and lets nothing act on it."""

from __future__ import annotations

import sys

import pytest

from pythia_cli.cli.token_tables import TokenPrinter
from pythia_cli.text.tokenizer import PythiaTokenizer


def test_tables(
    demo_tokenizer: PythiaTokenizer,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    printer = TokenPrinter(demo_tokenizer, {}, n_texts=2)
    for name, text in ((None, "It was"), ("a\n.txt", "\x1b")):
        printer.take(name, text, demo_tokenizer.encode_covering(text))
    it, was, escape = (demo_tokenizer.encode(text)[0] for text in ("It", " was", "\x1b"))
    assert capsys.readouterr().out.splitlines() == [
        "the text: 2 tokens",
        "position      id  n_bytes  piece",
        f'       0  {it:>6}        2  "It"',
        f'       1  {was:>6}        4  " was"',
        "",
        "a\u240a.txt: 1 tokens",
        "position      id  n_bytes  piece",
        f'       0  {escape:>6}        1  "\\x1b"',
    ]
