"""Tokens as text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.text.spelling import escaped, spelled


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
