"""What is odd about valid text, and what is not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.text.oddities import Oddity, oddities

RECORD = json.dumps({"text": "It was a dark and stormy night."})

ODD = [
    ("\ufeffCall me", Oddity.BYTE_ORDER_MARK),
    ("Call\0me", Oddity.NULS),
    ("caf\ufffd", Oddity.REPLACEMENTS),
    ("one\r\ntwo\r\n", Oddity.CR_LF),
    ("one\rtwo\r", Oddity.CR),
    (f"{RECORD}\n{RECORD}\n", Oddity.JSON_LINES),
    (f"{RECORD}\n" * 9999, Oddity.JSON_LINES),
    (RECORD, Oddity.JSON),
    (json.dumps([{"text": "one"}], indent=2), Oddity.JSON),
    (json.dumps([{"text": "one"}] * 9999, indent=2), Oddity.JSON),
    ("id\ttext\n1\tIt was\n2\tHe, too\n", Oddity.TSV),
    ('id,text\n1,"It was, then"\n2,He\n', Oddity.CSV),
    ("<!DOCTYPE html>\n<p>It was", Oddity.MARKUP),
    ('<?xml version="1.0"?>\n<p>It was</p>', Oddity.MARKUP),
]
PROSE = [
    "",
    "\n",
    "It was a dark and stormy night.\n",
    "[Illustration]\n\nCHAPTER I.\n\n{sic}\n",
    "One, two, three.\nYes, no, maybe.\nIn, out, in.\n",
    "1813\n",
    "\tIt was\na dark\n\tand stormy\n",
    "def f(x):\n    return {}\n",
]


@pytest.mark.parametrize(("text", "oddity"), ODD, ids=lambda value: str(value)[:20])
def test_odd(text: str, oddity: Oddity) -> None:
    assert oddities(text.encode()) == [oddity]


@pytest.mark.parametrize("text", PROSE)
def test_prose(text: str) -> None:
    assert oddities(text.encode()) == []


def test_books_are_prose(eval_text: str) -> None:
    assert oddities(eval_text.encode()) == []


def test_several_at_a_time() -> None:
    found = oddities(b"\xef\xbb\xbfid\ttext\r\n1\tone\r\n2\ttwo\r\n")
    assert found == [Oddity.BYTE_ORDER_MARK, Oddity.CR_LF, Oddity.TSV]


@given(text=st.text(alphabet="[{\"',\t\n\r<a1\ufeff\0", max_size=60))
def test_any_text_can_be_looked_at(text: str) -> None:
    oddities(text.encode())


def test_deep_json() -> None:
    assert oddities(b"[" * 60_000) == []
