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
    ("\ufeff\ufeffCall me", Oddity.BYTE_ORDER_MARK),
    ("Call me\n\ufeffIt was\n", Oddity.LATER_MARKS),
    ("x" * 99_999 + "\ufeff", Oddity.LATER_MARKS),
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
    ("id;text\n1;It was\n2;He, too\n", Oddity.CSV),
    ("id, name, age\n1, Bob, 30\n2, Alice, 40\n", Oddity.CSV),
    ("when,what\n1813-01-28,It was published\n1817-07-18,She died\n", Oddity.CSV),
    ("name,town,work\n" + "Bob,York,smith\n" * 4, Oddity.CSV),
    ("\tid\ttext\n\t1\tIt was\n\t2\tHe, too\n", Oddity.TSV),
    ("0.1,0.2,0.3\n0.4,0.5,0.6\n0.7,0.8,0.9\n", Oddity.CSV),
    ("[\n 1,\n 2,\n 3\n]", Oddity.JSON),
    ("[\n" + " 1,\n" * 99_999, Oddity.JSON),
    ('["one", "two", ' * 9999, Oddity.JSON),
    ('[["one", "two"], ' * 9999, Oddity.JSON),
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
    "Roses that bloomed,\nand withered away,\nlike all that we knew,\n" * 3,
    "RED,\nGREEN,\nBLUE,\n" * 3,
    "1,000\n2,500\n3,700\n",
    "3,14\n2,71\n1,41\n",
    "\u4f60\u597d,\u4e16\u754c\n" * 9,
    "\tIt was a dark night.\n" * 9,
    "\tmake all\n\tmake test\n\tmake install\n",
    "Bob:\thi\nAlice:\thello\n" * 9,
    "one; two\nthree; four\nfive; six\n" * 9,
    "Yes, indeed, sir.\n" * 9,
    "[1]\nIt was a dark night.\n",
    "[2024]\nIt was a dark night.\n[2025]\n",
    "[]\nIt was\n",
    "{}\nIt was\n{}\n",
    f"{RECORD}\nand prose\n",
    "{{Infobox person\n| name = Austen\n}}\n" * 9999,
    "{{ title }}\n" * 9999,
    "[[Category:Novels]]\n" * 9999,
    '["Hello," she said.]\n' * 9999,
    "[1, a note]\n" * 9999,
]


@pytest.mark.parametrize(("text", "oddity"), ODD, ids=lambda value: str(value)[:20])
def test_odd(text: str, oddity: Oddity) -> None:
    assert oddities(text.encode()) == [oddity]


@pytest.mark.parametrize("text", PROSE, ids=lambda text: text[:20])
def test_prose(text: str) -> None:
    assert oddities(text.encode()) == []


def test_books_are_prose(eval_text: str) -> None:
    assert oddities(eval_text.encode()) == []


def test_several_at_a_time() -> None:
    found = oddities(b"\xef\xbb\xbfid\ttext\r\n1\tone\r\n2\ttwo\r\n")
    assert found == [Oddity.BYTE_ORDER_MARK, Oddity.CR_LF, Oddity.TSV]
    found = oddities("\ufeffone\n\ufefftwo\n".encode())
    assert found == [Oddity.BYTE_ORDER_MARK, Oddity.LATER_MARKS]


@given(text=st.text(alphabet="[{\"',\t\n\r<a1\ufeff\0", max_size=60))
def test_any_text_can_be_looked_at(text: str) -> None:
    oddities(text.encode())


@pytest.mark.parametrize(
    "data", [b"[" * 70_000, b"[ " * 35_000, b"[" + b" " * 70_000, b'["' * 35_000]
)
def test_deep_json(data: bytes) -> None:
    assert oddities(data) == []


def test_formats_may_be_left_out() -> None:
    assert oddities(f"{RECORD}\r\n{RECORD}".encode(), formats=False) == [Oddity.CR_LF]
