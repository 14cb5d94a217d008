"""What is odd about valid text, and what is not."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.text.oddities import Oddity, oddities

RECORD = json.dumps({"text": "It was a dark and stormy night."})

LABELLED = "pos\tIt was good.\nneg\tIt was slow, and bad.\npos\tYes.\nneg\tNo.\npos\tFine.\n"

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
    (LABELLED, Oddity.TSV),
    (LABELLED.replace("It", '"It'), Oddity.TSV),
    ("word\tmot\n" + "cat\tchat\ndog\tchien\n" * 2, Oddity.TSV),
    ("word,mot\n" + "cat,chat\ndog,chien\n" * 2, Oddity.CSV),
    ("un;deux trois\n" * 5, Oddity.CSV),
    ("language (in English)\ttext\n" + "French\tC'est la vie, dit-il.\n" * 9, Oddity.TSV),
    ("\u6a19\u8a18\t\u543e\u8f29\u306f\u732b\u3067\u3042\u308b\u3002\n" * 5, Oddity.TSV),
    ('["It was", "pos"]\n["He had", "neg"]\n["a", "b"]\n', Oddity.JSON_LINES),
    ("[12, 7, 9]\n[1, 2]\n[[3]]\n", Oddity.JSON_LINES),
    ('"It was.\\n"\n"He had."\n"No."\n', Oddity.JSON_LINES),
    ('"It was."\n' * 10, Oddity.JSON_LINES),
    (f"# made by a program\n{RECORD}\n{RECORD}\n", Oddity.JSON_LINES),
    (f"{RECORD}\n{RECORD[:20]}\n" + f"{RECORD}\n" * 9999, Oddity.JSON_LINES),
    (json.dumps({"text": "one"}, indent=2) * 2, Oddity.JSON),
    ("<doc>\nIt was a dark night.\n</doc>\n", Oddity.MARKUP),
    ('<doc id="12" url=/a title="A">\nIt was' + " a dark night." * 9999, Oddity.MARKUP),
    ("<p>It was\n<p>He had\n", Oddity.MARKUP),
    ("<!-- made by hand -->\n\n<h1 >It was</h1>\n", Oddity.MARKUP),
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
    "[1]\n[2]\n[3]\n",
    '"Hello."\n"Yes?"\n"No."\n"Well."\n',
    f"It was\n{RECORD}\nHe had\n{RECORD}\nand\n",
    "HAMLET\tTo be, or not\nGHOST\tto be\n" * 9,
    "\u2022\tIt was a dark night.\n-\tHe said no.\n" * 9,
    "a)\tIt was a dark night.\nb)\tHe said no.\n" * 9,
    "x = 1;\t// one\ny = 2;\t// another\n" * 9,
    "CC\t= cc -O2\nLD\t= ld\n" * 9,
    "int\tx;\nchar\ty;\n" * 9,
    "\tmov\teax, ebx\n\tadd\teax, 1\n" * 9,
    "Tyger Tyger, burning bright,\nIn the forests of the night;\n" * 9,
    "<Alice> hello\n<Bob> hi, it was\n" * 9,
    "<unk> was a <unk> night\n" * 9,
    "<|endoftext|>It was\n",
    "<https://example.org> says no.\n",
    "<-- look\n",
    "<3 <3\n",
    "#include <stdio.h>\nint main(void) { return 0; }\n",
    "template <class T>\nclass A {};\n",
    "- one\n- two, three\n- four\n",
    "a: 1\nb: [2, 3]\n",
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
