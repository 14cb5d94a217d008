"""Bytes to text; and what is said of bytes that are something else."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import tarfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.errors import NotUtf8
from pythia_cli.text.decode import decode_text
from pythia_cli.text.decode_lines import decode_lines
from pythia_cli.text.guess_encoding import (
    BINARY,
    CUT_BEGINNING,
    CUT_END,
    CUT_END_OR_LATIN1,
    DAMAGED,
)

TEXT = "It was a dark and stormy night.\nHe said no.\n"
QUOTED = f"{TEXT}\u201cna\u00efve\u201d \u2014 caf\u00e9"

GUESSES = [
    (TEXT.encode("utf-16"), "UTF-16"),
    (b"\xfe\xff" + QUOTED.encode("utf-16-be"), "UTF-16"),
    (TEXT.encode("utf-16-le"), "UTF-16LE"),
    (TEXT.encode("utf-16-be"), "UTF-16BE"),
    (QUOTED.encode("utf-16-le"), "UTF-16LE"),
    (TEXT.encode("utf-32"), "UTF-32"),
    (b"\x00\x00\xfe\xff" + TEXT.encode("utf-32-be"), "UTF-32"),
    (TEXT.encode("utf-32-le"), "UTF-32LE"),
    (TEXT.encode("utf-32-be"), "UTF-32BE"),
    (TEXT.encode("utf-16").decode("latin1").encode(), "UTF-16LE"),  # converted as if Latin-1
    (gzip.compress(TEXT.encode(), mtime=0), "gzip"),
    (bz2.compress(TEXT.encode()), "bzip2"),
    (lzma.compress(TEXT.encode()), "xz"),
    (b"\x28\xb5\x2f\xfd\x04\x58", "zstd"),
    (b"PK\x03\x04\x14\x00\x00\x00\x08\x00\x9c", "zip"),
    (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj", "PDF"),
    (QUOTED.encode()[:-1], CUT_END),
    (TEXT.encode() + "\u201c".encode()[:1], CUT_END_OR_LATIN1),
    (TEXT.encode() + "\u201c".encode()[:2], CUT_END),
    (TEXT.encode() + "\U0001f701".encode()[:3], CUT_END),
    (f"\u00e9{QUOTED}".encode()[1:], CUT_BEGINNING),
    (QUOTED.encode() + b"\xff" + QUOTED.encode(), DAMAGED),
    (f"{TEXT}caf\u00e9 au lait".encode("latin1"), "Latin-1"),
    (f"{TEXT}caf\u00e9".encode("latin1"), CUT_END_OR_LATIN1),
    ("Stra\u00df".encode("latin1"), CUT_END_OR_LATIN1),
    ("GR\u00c2".encode("latin1"), CUT_END_OR_LATIN1),
    ("\u00dc".encode("latin1"), CUT_END_OR_LATIN1),
    ("\u00dcber alles \u00dc".encode("latin1"), "Latin-1"),
    (QUOTED.encode("cp1252"), "Windows-1252"),
    (b"\x93Hello\x94, she said.", "Windows-1252"),
    ("\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440.".encode("cp1251"), None),
    ("\u543e\u8f29\u306f\u732b\u3067\u3042\u308b\u3002".encode("shift-jis"), None),
    (bytes(range(256)), BINARY),
    (random.Random(1).randbytes(5000), BINARY),
    (np.random.default_rng(1).standard_normal(500).tobytes(), BINARY),
    (np.arange(500, dtype=np.int32).tobytes(), BINARY),
]


def archive(content: bytes) -> bytes:
    """A tar archive of one file."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        member = tarfile.TarInfo("e.txt")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return file.getvalue()


GUESSES += [
    (archive(TEXT.encode()), "tar"),
    (archive(TEXT.encode() * 9999), "tar"),
    (archive(f"{TEXT}caf\u00e9".encode("latin1")), "tar"),
    (b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x03\0>\0\x01\0\0\0" + bytes(40), BINARY),
    (b"SQLite format 3\0\x10\0\x01\x01\0@  \0\0\0\x02" + bytes(99), BINARY),
    (b"PK\x03\x04\n\0\0\0\0\0" + TEXT.encode(), "zip"),
    (np.arange(100, dtype=np.int32).tobytes(), BINARY),
    (np.arange(100, dtype=np.int64).tobytes(), BINARY),
    (np.zeros(100).tobytes(), BINARY),
    (TEXT.encode() + bytes(4096), BINARY),  # as some file systems leave a file after a crash
]


@pytest.mark.parametrize(("data", "guess"), GUESSES, ids=lambda value: str(value)[:40])
def test_what_is_no_utf8_is_named(data: bytes, guess: str | None) -> None:
    with pytest.raises(NotUtf8) as caught:
        decode_text(data, "book.txt")
    assert caught.value.guess == guess
    assert data[caught.value.offset] == caught.value.byte
    assert (f"it looks like {guess}" in str(caught.value)) == (guess is not None)


def test_where_the_text_is_cut_off() -> None:
    data = QUOTED.encode()
    with pytest.raises(NotUtf8) as caught:
        decode_text(data[:-1], "book.txt")
    assert data[: caught.value.offset].decode() == QUOTED[:-1]


def test_a_byte_order_mark_is_not_text() -> None:
    assert decode_text(b"\xef\xbb\xbfCall me", "book.txt") == "Call me"
    assert decode_text(b"\xef\xbb\xbf", "book.txt") == ""
    assert decode_text("\ufeff\ufeffCall me".encode(), "book.txt") == "Call me"
    assert decode_text("a\ufeffb\n\ufeffc".encode(), "book.txt") == "a\ufeffb\n\ufeffc"
    assert decode_text("\ufeffb".encode(), "book.txt", is_beginning=False) == "\ufeffb"


def test_the_mark_of_a_later_line_is_text_whatever_other_lines_are() -> None:
    data = "\ufeffone\n\ufefftwo\n".encode() + b"caf\xe9\n"
    with pytest.raises(NotUtf8) as caught:
        decode_text(data, "book.txt")
    assert decode_lines(data, caught.value)[:2] == ["one", "\ufefftwo"]


@pytest.mark.parametrize(
    "text",
    [
        *("", "a\0b", f"{TEXT}\0", "\u543e\u8f29\0\u306f", "\0" * 9),
        "a\0b\0cc\0",
        f"{TEXT * 30}ustar\0",
        "./book.txt\0./a book.txt\0",
        "".join(f"{i}\0" for i in range(1000)),
        "".join(f"{i}\x01word\x01{i * i}\n" for i in range(1000)),  # as Hive writes tables
        "a\tb\tc\n" * 99,
        "\x1b[31mred\x1b[0m\n" * 99,
    ],
)
def test_a_few_nuls_are_text(text: str) -> None:
    assert decode_text(text.encode(), "book.txt") == text


ALPHABETS = [
    "\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440, \u043a\u0430\u043a?\n",
    "\u041f\u0440\u0438\u0432\u0435\u0442",  # without any NUL
    "\u0393\u03b5\u03b9\u03ac \u03c3\u03bf\u03c5, \u03ba\u03cc\u03c3\u03bc\u03b5.\n",
    "\u0645\u0631\u062d\u0628\u0627 \u064a\u0627 \u0639\u0627\u0644\u0645\n",
    "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd\n",
    "\u0928\u092e\u0938\u094d\u0924\u0947 \u0926\u0941\u0928\u093f\u092f\u093e\n",
    "\u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35 \u0e0a\u0e32\u0e27\u0e42\u0e25\u0e01\n",
    "Hello",
]


@pytest.mark.parametrize("name", ["UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE"])
@pytest.mark.parametrize("text", ALPHABETS)
def test_utf_16_in_any_alphabet_is_refused(text: str, name: str) -> None:
    for n in (1, 9999):
        with pytest.raises(NotUtf8) as caught:
            decode_text((text * n).encode(name), "book.txt")
        assert caught.value.guess == name


@given(data=st.binary(max_size=64))
def test_any_bytes_are_text_or_refused(data: bytes) -> None:
    try:
        text = decode_text(data, "book.txt")
    except NotUtf8:
        return
    assert text == data.decode().lstrip("\ufeff")
