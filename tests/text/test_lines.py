"""A text split at its line ends."""

from __future__ import annotations

import pytest

from pythia_cli.text.lines import lines_of


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", []),
        ("\n", [""]),
        ("one", ["one"]),
        ("one\n", ["one"]),
        ("one\r\ntwo\rthree\n\nfour", ["one", "two", "three", "", "four"]),
        ("one\ftwo\x85three\u2028four", ["one\ftwo\x85three\u2028four"]),
    ],
)
def test_lines_end_at_line_ends_only(text: str, lines: list[str]) -> None:
    assert lines_of(text) == lines
