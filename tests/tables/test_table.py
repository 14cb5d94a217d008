"""Which kind of table is opened, and streams and devices that are written directly."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.errors import InvalidValue, UsageError
from pythia_cli.tables.table import open_table

COLUMNS = {"text": str, "n": int}


def written(table: Any) -> None:
    with table as opened:
        opened.write([{"text": "a", "n": 1}], opened.progress)
        opened.write([{"text": "b"}], opened.progress)


@pytest.mark.parametrize(
    ("name", "format", "content"),
    [
        ("a.tsv", None, "text\tn\na\t1\nb\t\n"),
        ("a.txt", None, "text\tn\na\t1\nb\t\n"),
        ("a.CSV", None, "text,n\na,1\nb,\n"),
        ("a.jsonl", None, '{"text": "a", "n": 1}\n{"text": "b", "n": null}\n'),
        ("a.tsv", "csv", "text,n\na,1\nb,\n"),
    ],
)
def test_the_format(tmp_path: Path, name: str, format: str | None, content: str) -> None:
    path = tmp_path / name
    written(open_table(path, columns=COLUMNS, identity={}, format=format))
    assert path.read_bytes().decode() == content


def test_a_stream_is_flushed_after_each_batch() -> None:
    class Flushed(io.StringIO):
        def flush(self) -> None:
            seen.append(self.getvalue())

    seen: list[str] = []
    written(open_table(None, columns=COLUMNS, identity={}, stream=Flushed()))
    assert seen[:2] == ["text\tn\na\t1\n", "text\tn\na\t1\nb\t\n"]


def test_an_empty_table_has_its_header(tmp_path: Path) -> None:
    stream = io.StringIO()
    with open_table(None, columns=COLUMNS, identity={}, stream=stream):
        pass
    assert stream.getvalue() == "text\tn\n"
    with open_table(tmp_path / "a.tsv", columns=COLUMNS, identity={}):
        pass
    assert (tmp_path / "a.tsv").read_text() == "text\tn\n"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_written_directly(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    os.mkfifo(path)
    found: list[str] = []
    reader = threading.Thread(target=lambda: found.append(path.read_text()))
    reader.start()
    written(open_table(path, columns=COLUMNS, identity={}))
    reader.join()
    assert found == ["text\tn\na\t1\nb\t\n"]
    assert os.listdir(tmp_path) == ["a.tsv"]


def test_what_cannot_be(tmp_path: Path) -> None:
    stream = io.StringIO()
    with pytest.raises(UsageError, match="only a file can be resumed"):
        open_table(None, columns=COLUMNS, identity={}, stream=stream, resume=True)
    with pytest.raises(UsageError, match="a table needs a file or a stream"):
        open_table(None, columns=COLUMNS, identity={})
    with pytest.raises(InvalidValue, match="format is 'xlsx'; expected one of tsv, csv, jsonl"):
        open_table(tmp_path / "a", columns=COLUMNS, identity={}, format="xlsx")
    pytest.importorskip("pyarrow")
    with pytest.raises(UsageError, match="only a file can be written as Parquet"):
        open_table(None, columns=COLUMNS, identity={}, stream=stream, format="parquet")
