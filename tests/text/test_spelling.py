"""Tokens as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.text.spelling import escaped, in_cell, spelled


def test_bytes_that_are_no_text_are_in_hexadecimal() -> None:
    assert spelled(" caf\u00e9\n".encode()) == " caf\u00e9\n"
    assert spelled(b"\xc3a") == escaped(b"\xc3a") == "\\xc3\\x61"


@given(data=st.text(alphabet="ab'\"\\\t\n\r\x00\x1b\x7f\x85\u2028\u00e9\U0001f701", max_size=8))
def test_escapes_keep_one_line_and_can_be_undone(data: str) -> None:
    shown = escaped(data.encode())
    assert len(f"{shown}.".splitlines()) == 1
    assert not {"\t", '"'} & set(shown)
    undone = shown.encode("latin1", "backslashreplace").decode("unicode_escape")
    assert undone == data


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"It", "It"),
        (b" was", "\u00b7was"),
        (b"   ", "\u00b7\u00b7\u00b7"),
        (b"\n\t", "\\n\\t"),
        (b"\x1b[2J", "\\x1b[2J"),
        ("\u2028".encode(), "\\u2028"),
        ("caf\u00e9".encode(), "caf\u00e9"),
        (b"\xc3", "\\xc3"),
        (b"", "[7]"),
    ],
)
def test_a_cell_is_on_one_line_and_shows_spaces(data: bytes, shown: str) -> None:
    assert in_cell(data, 7) == shown
