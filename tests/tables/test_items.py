"""Items of every format: what is read, with which numbers and lines, and what is noted."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest

from pythia_cli.errors import InputError, InvalidValue, NotFound
from pythia_cli.tables.items import open_items
from pythia_cli.tables.problems import ItemError, MissingColumn
from tests.reporting import Recording

TSV = b'id\ttext\n1\tone\n\n2\t"two\nlines, ""and"" a\ttab"\n3\tth"ree\n'
JSONL = b'{"id": 1, "text": "one"}\n\n{"text": "two", "more": {"x": [1]}}\n'


def write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def test_plain_lines(tmp_path: Path) -> None:
    with open_items(write(tmp_path, "a.txt", "one\r\ntwo\rthree \n\nüñ\v5".encode())) as items:
        assert (items.format, items.column, items.columns) == ("lines", "text", {"text": str})
        for _ in range(2):
            found = list(items)
            texts = [item.fields["text"] for item in found]
            assert texts == ["one", "two", "three ", "", "üñ\v5"]
            assert [item.number for item in found] == [item.line for item in found]
            assert sum(item.n_bytes for item in found) == items.n_bytes
        with pytest.raises(ItemError, match=r"a\.txt, line 4: is empty"):
            found[3].text()
        assert found[3].text(may_be_empty=True) == ""


@pytest.mark.parametrize(("name", "format"), [("a.tsv", None), ("a.tab", None), ("a", "tsv")])
def test_tsv(tmp_path: Path, name: str, format: str | None) -> None:
    with open_items(write(tmp_path, name, TSV), format=format) as items:
        assert [(item.number, item.line, item.text()) for item in items] == [
            (1, 2, "one"), (2, 4, 'two\nlines, "and" a\ttab'), (3, 6, 'th"ree'),
        ]  # fmt: skip
        assert items.columns == {"id": str, "text": str}


def test_quotes_as_text(tmp_path: Path) -> None:
    data = b'text,n\n"Hello" she said,1\n5" disk,2\n"open,3\n'
    with open_items(write(tmp_path, "a.CSV", data), quotes=False) as items:
        assert [item.text() for item in items] == ['"Hello" she said', '5" disk', '"open']


def test_json_lines(tmp_path: Path) -> None:
    with open_items(write(tmp_path, "a.ndjson", JSONL)) as items:
        assert [(item.number, item.line, item.text()) for item in items] == [
            (1, 1, "one"), (2, 3, "two"),
        ]  # fmt: skip
        assert items.columns == {"id": int, "text": str, "more": object}
        assert [item.error for item in items] == [None, None]
    with open_items(tmp_path / "a.ndjson", column="more.x.0") as items:
        first, second = items
        assert second.value("more.x.0") == 1
        with pytest.raises(ItemError, match=r"line 1: has no field 'more.x.0'"):
            first.text()
        with pytest.raises(ItemError, match=r"line 3: field 'more.x.0' is a number"):
            second.text()


def test_nul_separated(tmp_path: Path) -> None:
    with open_items(write(tmp_path, "a", b"one\ntwo\0a\0b\0c\0"), format="nul") as items:
        assert [item.text() for item in items] == ["one\ntwo", "a", "b", "c"]


@pytest.mark.parametrize(
    ("value", "kind"),
    [("1", "a number"), ("null", "null"), ("true", "true"), ("[1]", "a list"), ("{}", "an object")],
)
def test_what_is_no_text(tmp_path: Path, value: str, kind: str) -> None:
    with open_items(write(tmp_path, "a.jsonl", b'\n{"text": %s}' % value.encode())) as items:
        (item,) = items
        with pytest.raises(ItemError) as raised:
            item.text()
    assert (
        str(raised.value) == f"{tmp_path}/a.jsonl, line 2: field 'text' is {kind}; expected a text"
    )
    assert raised.value.line == 2


def test_a_byte_order_mark_is_left_out_and_noted_once(tmp_path: Path) -> None:
    for name, data in (("a.txt", b"one"), ("a.tsv", TSV), ("a.jsonl", JSONL)):
        notes = Recording()
        path = write(tmp_path, name, b"\xef\xbb\xbf" + data)
        with open_items(path, reporter=notes) as items:
            first, *_ = [*items, *items]
            assert first.text() == "one"
        assert notes.notes[0] == f"{path}: begins with a byte-order mark, which is left out"
        assert sum("byte-order" in note for note in notes.notes) == 1


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (JSONL, "looks like JSON lines, but is read as plain lines; input format jsonl reads"),
        (b"a\tb\n1\tx\n2\ty\n3\tz\n", "looks like tab-separated values, but is read as plain"),
        (b"a\0b", "has NUL characters, but is read as lines; input format nul separates"),
        (b"<p>one", "looks like HTML or XML, but is read as plain lines"),
        (b"one\r\ntwo\r\n", None),
    ],
)
def test_one_note_of_what_looks_like_another_format(
    tmp_path: Path, data: bytes, says: str | None
) -> None:
    notes = Recording()
    with open_items(write(tmp_path, "a.txt", data), reporter=notes) as items:
        list(items)
    assert len(notes.notes) == (says is not None)
    assert says is None or says in notes.notes[0]


@pytest.mark.parametrize(
    ("data", "column", "is_noted"),
    [
        (b"The first.\nThe second.\n", None, True),
        (b"word\nThe\n", "word", False),
        (b"text\nThe first.\n", None, False),
    ],
)
def test_the_first_line_of_a_table_of_one_column_is_no_text(
    tmp_path: Path, data: bytes, column: str | None, is_noted: bool
) -> None:
    notes = Recording()
    path = write(tmp_path, "a.tsv", data)
    with open_items(path, column=column, reporter=notes):
        pass
    says = f"{path}: the first line is the header; its column 'The first.' has the texts"
    assert notes.notes == [says] * is_noted


def test_a_quoted_cell_that_looks_like_swallowed_lines_is_noted_once(tmp_path: Path) -> None:
    notes = Recording()
    data = b'a\ttext\n"x\ty\nz"\t1\n"x\ty\nz"\t1\n"x\ny"\t1\n'
    with open_items(write(tmp_path, "a.tsv", data), reporter=notes) as items:
        assert len([*items, *items]) == 6
    (note,) = notes.notes
    assert note.startswith(f"{tmp_path}/a.tsv, line 2: a quoted cell spans lines")


def test_a_stream_is_read_once_and_iterated_often() -> None:
    arrived = []
    stream = io.BytesIO(TSV)
    with open_items(
        stream, format="tsv", name="standard input", arrived=lambda: arrived.append(1)
    ) as items:
        assert len(list(items)) == len(list(items)) == 3
        assert next(iter(items)).source == "standard input"
        assert items.n_bytes == len(TSV)
    assert arrived == [1]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe.tsv"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(TSV,))
    writer.start()
    with open_items(path) as items:
        assert len(list(items)) == len(list(items)) == 3
    writer.join()


def test_two_iterations_side_by_side(tmp_path: Path) -> None:
    data = "".join(f"{i} {'x' * 100}\n" for i in range(9_000))
    with open_items(write(tmp_path, "a.txt", data.encode())) as items:
        pairs = list(zip(items, items, strict=True))
    assert all(a == b for a, b in pairs)
    assert len(pairs) == 9_000


def test_a_file_that_another_takes_the_place_of(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", b"one\ntwo\n")
    with open_items(path) as items:
        write(tmp_path, "b.txt", b"other\n").replace(path)
        assert [item.text() for item in items] == ["one", "two"]


def test_a_file_that_changes(tmp_path: Path) -> None:
    path = write(tmp_path, "a.txt", b"one\ntwo\n")
    with open_items(path) as items:
        with path.open("ab") as file:
            file.write(b"three\n")
        with pytest.raises(InputError, match="was changed while it was read"):
            list(items)


def test_the_column(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", b"Sentence,id\nx,1\n")
    with open_items(path, column="Sentence") as items:
        assert next(iter(items)).text() == "x"
        items.check_columns("id")
        with pytest.raises(MissingColumn, match="no column 'gold'; there are: Sentence, id"):
            items.check_columns("id", "gold")
    with pytest.raises(MissingColumn) as raised:
        open_items(path, column="sentense")
    assert raised.value.nearest == ["Sentence"]
    assert str(raised.value) == f"{path}: has no column 'sentense'; did you mean Sentence?"
    with open_items(write(tmp_path, "one.csv", b"words\nx\n")) as items:
        assert items.column == "words"  # the only one


def test_a_column_that_only_some_objects_have(tmp_path: Path) -> None:
    with open_items(write(tmp_path, "a.jsonl", b'{"a": "x"}\n{"b": "y"}\n'), column="b") as items:
        first, second = items
        assert second.text() == "y"
        with pytest.raises(ItemError, match="line 1: has no field 'b'"):
            first.text()


def test_what_is_no_input(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        open_items(tmp_path / "none.tsv")
    with pytest.raises(InputError, match="is a folder"):
        open_items(tmp_path)
    with pytest.raises(InputError, match="name of an input: is empty"):
        open_items("")
    with pytest.raises(InvalidValue, match="input_format is 'xml'; expected one of lines, tsv"):
        open_items(write(tmp_path, "a", b"x"), format="xml")
