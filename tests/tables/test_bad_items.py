"""Bad input of many kinds: which item has the error, which others are read, what is refused."""

from __future__ import annotations

import gzip
import io
import tarfile
from pathlib import Path

import pytest

from pythia_cli.errors import InputError, NotUtf8
from pythia_cli.tables.items import open_items
from pythia_cli.tables.problems import ItemError, NotJsonLines, QuoteError

# Name, content, what becomes of each item: its text, or words of its error.
ITEMS = [
    ("latin1.txt", b"one\ncaf\xe9 noir\nthree", ["one", "line 2 is not UTF-8 text: byte 0xe9 at"
     " offset 3", "three"]),
    ("cut.txt", "one\ncafé".encode()[:-1], ["one", "line 2 is not UTF-8 text: byte 0xc3"]),
    ("ragged.tsv", b"text\tn\none\t1\ntwo\t2\t3\nthree\nfour\t4\n",
     ["one", ", line 3: has 3 cells, where the header has 2", ", line 4: has 1 cell, where the"
      " header has 2", "four"]),
    ("ragged.csv", b'text,n\n"one, two",1\none, two,1\n',
     ["one, two", "line 3: has 3 cells, where the header has 2"]),
    ("said.tsv", b'text\tn\n"Hello" she said\t1\n"fine"\t2\n',
     ["line 2: a quote is closed before the end of its cell", "fine"]),
    ("nul.tsv", b"text\tn\na\0b\t1\nok\t2\n", ["line 2: holds a NUL character", "ok"]),
    ("latin1.tsv", b"text\tn\ncaf\xe9\t1\nok\t2\n", ["line 2 is not UTF-8", "ok"]),
    ("latin1-in-quotes.tsv", b'text\tn\n"caf\n\xe9"\t1\nok\t2\n',
     ["line 3 is not UTF-8 text: byte 0xe9", "ok"]),
    ("number.jsonl", b'{"text": "a"}\n3\n{"text": "b"}\n', ["a", "line 2: is not a JSON object",
     "b"]),
    ("array.jsonl", b'{"text": "a"}\n[1, 2]\n', ["a", "line 2: is not a JSON object"]),
    ("rows.jsonl", b'[1, 2]\n{"text": "a"}\n', ["line 1: is not a JSON object", "a"]),
    ("broken.jsonl", b'{"text": "a"}\n{"text": "b"\n{"text": "c"}\n',
     ["a", "line 2: is not JSON (Expecting", "c"]),
    ("twice.jsonl", b'{"text": "a", "text": "b"}\n', ["line 1: is not JSON (a key appears twice"]),
    ("deep.jsonl", b'{"text": ' + b"[" * 99 + b"]" * 99 + b"}\n", ["line 1: is JSON of more than"
     " 32 levels"]),
    ("very-deep.jsonl", b'{"text": ' + b"[" * 99_999 + b"]" * 99_999 + b"}\n",
     ["line 1: is not JSON ("]),
    ("digits.jsonl", b'{"text": "a", "n": ' + b"9" * 9_999 + b"}\n", ["line 1: is not JSON ("]),
    ("surrogate.jsonl", b'{"text": "\\ud83d"}\n{"text": "\\ud83d\\ude00"}\n',
     ["line 1: holds half of a surrogate pair", "\U0001f600"]),
    ("latin1.jsonl", b'{"text": "caf\xe9"}\n{"text": "b"}\n', ["line 1 is not UTF-8", "b"]),
]  # fmt: skip

# Name, content, what is said of the whole file; its error.
FILES = [
    ("empty.txt", b"", InputError, "is empty: there are no items"),
    ("empty.tsv", b"", InputError, "is empty"),
    ("empty.jsonl", b"\n \n", InputError, "has no rows: there are no items"),
    ("blank.tsv", b"\n\n", InputError, "is empty; expected a header and rows"),
    ("header.tsv", b"text\tn\n", InputError, "has no rows: there are no items"),
    ("twice.tsv", b"text\tn\ttext\n1\t2\t3\n", InputError, "(line 1) names column 'text' twice"),
    ("unnamed.csv", b",text\n0,x\n", InputError, "no name for column 1: the index of pandas?"),
    ("unnamed2.csv", b"text,\n0,x\n", InputError, "no name for column 2"),
    ("quoted-header.tsv", b'"text\tn\n1\t2\n', QuoteError, "line 1: a quote is opened and never"),
    ("latin1-header.tsv", b"text\tcaf\xe9\n1\t2\n", NotUtf8, "line 1 is not UTF-8"),
    ("utf-16.txt", "some text\nmore\n".encode("utf-16"), NotUtf8, "it looks like UTF-16"),
    ("utf-16le.tsv", "text\tn\nabc\t1\n".encode("utf-16-le"), NotUtf8, "looks like UTF-16LE"),
    ("utf-16be.jsonl", '{"text": "a"}\n'.encode("utf-16-be"), NotUtf8, "looks like UTF-16BE"),
    ("utf-32.csv", "text,n\nabc,1\n".encode("utf-32"), NotUtf8, "looks like UTF-32"),
    ("cyrillic.txt", "Война и мир".encode("utf-16-le"), NotUtf8, "looks like UTF-16LE"),
    ("gzip.tsv.gz", gzip.compress(b"text\n1\n"), NotUtf8, "looks like gzip"),
    ("gzip.tsv", gzip.compress(b"text\n1\n"), NotUtf8, "looks like gzip"),
    ("parquet.txt", b"PAR1\x15\x04\xff\xff", NotUtf8, "looks like Parquet"),
    ("binary.txt", bytes(range(256)), NotUtf8, "it looks like binary data"),
    ("array.jsonl", b'[{"text": "a"}, {"text": "b"}]', NotJsonLines, "is a JSON array"),
    ("array2.jsonl", b'[\n  {"text": "a"},\n {"text": "b"}\n]', NotJsonLines, "is a JSON array"),
    ("object.jsonl", b'{\n  "text": "a"\n}', NotJsonLines, "is JSON over several lines"),
    ("object2.jsonl", b'{"text":\n "a"}', NotJsonLines, "is JSON over several lines"),
]  # fmt: skip

# Tables with a quote that leaves doubt: the texts before it, and what is said.
DOUBTFUL = [
    (b'text\tn\nok\t1\n"open\t2\nmore\t3\n', ["ok"], "line 3: a quote is opened and never closed"),
    (b'text\tn\nok\t1\n"open\t2\nx\t"more" here\t3\nz\t4\n', ["ok"],
     "line 3: a quote is opened, and closed within a cell of line 4"),
    (b'text\tn\nok\t1\n"open\nx\n\ny" \t2\n', ["ok"], "line 3: a quote is opened, and closed"),
    (b'text\tn\nok\t1\n"a" b\t"c\nd\te"\nx\t1\n', ["ok"], "line 3: its quotes do not match"),
    (b'text\tn\tm\nok\t1\t1\n"open\t2\t2\nmore"\t3\t3\t4\n', ["ok"],
     "line 3: a quote joins 2 lines to a row of 4 cells, where the header has 3"),
]  # fmt: skip


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("name", "data", "expected"), ITEMS, ids=[row[0] for row in ITEMS])
def test_one_bad_item(tmp_path: Path, name: str, data: bytes, expected: list[str]) -> None:
    path = write(tmp_path, name, data)
    with open_items(path) as items:
        found = list(items)
    for item, says in zip(found, expected, strict=True):
        if item.error is None:
            assert item.text() == says
        else:
            assert says in str(item.error)
            assert str(item.error).startswith(str(path))
            with pytest.raises(type(item.error)):
                item.text()


@pytest.mark.parametrize(("name", "data", "kind", "says"), FILES, ids=[row[0] for row in FILES])
def test_a_bad_file(
    tmp_path: Path, name: str, data: bytes, kind: type[InputError], says: str
) -> None:
    with pytest.raises(kind) as raised:
        open_items(write(tmp_path, name, data))
    assert says in str(raised.value)
    assert str(raised.value).startswith(str(tmp_path / name))


def test_an_archive(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("x"), io.BytesIO())
    with pytest.raises(NotUtf8, match="looks like tar"):
        open_items(write(tmp_path, "a.txt", buffer.getvalue()))


@pytest.mark.parametrize(("data", "before", "says"), DOUBTFUL)
def test_nothing_is_guessed_behind_a_doubtful_quote(
    tmp_path: Path, data: bytes, before: list[str], says: str
) -> None:
    with open_items(write(tmp_path, "a.tsv", data)) as items:
        texts = []
        with pytest.raises(QuoteError) as raised:
            texts.extend(item.text() for item in items)
    assert says in str(raised.value)
    assert raised.value.ends_reading
    assert str(raised.value).endswith("nothing behind it is read")
    # `extend` keeps what came before the error.
    assert texts == before
    with open_items(tmp_path / "a.tsv", quotes=False) as items:
        assert len(list(items)) > len(before)


def test_a_line_of_100_mb_is_refused_and_the_others_are_read(tmp_path: Path) -> None:
    long = b"x" * 100_000_000
    with open_items(write(tmp_path, "a.txt", b"one\n" + long + b"\nthree\n")) as items:
        first, second, third = items
    assert (first.text(), third.text()) == ("one", "three")
    assert str(second.error).endswith("a.txt, line 2: has 100 MB; at most 64 MiB are read")
    assert isinstance(second.error, ItemError)
    with open_items(write(tmp_path, "a.tsv", b"text\tn\none\t1\n" + long + b"\nx\t1\n")) as items:
        assert [item.error is None for item in items] == [True, False, True]
    # A quote in it may or may not be closed.
    data = b'text\tn\none\t1\n"' + long + b'"\t1\nx\t1\n'
    with open_items(write(tmp_path, "a.tsv", data)) as items, pytest.raises(QuoteError):
        list(items)


def test_a_quoted_cell_of_100_mb(tmp_path: Path) -> None:
    data = b'text\tn\n"' + (b"x" * 999 + b"\n") * 100_000 + b'"\t1\n'
    with (
        pytest.raises(QuoteError, match="line 2: a quote is still open after 64 MiB"),
        open_items(write(tmp_path, "a.tsv", data)),
    ):
        pass


def test_a_quoted_cell_longer_than_csv_reads_by_default(tmp_path: Path) -> None:
    text = "x" * 200_000
    with open_items(write(tmp_path, "a.csv", f'text\n"{text}"\n'.encode())) as items:
        assert [item.text() for item in items] == [text]
