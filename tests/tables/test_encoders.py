"""Rows: what comes back from a table is what was written."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pythia_cli.tables.encoders import encoder_of
from pythia_cli.tables.items import open_items

NASTY = [
    "two\nlines", "cr\ralone", "cr\r\nlf", 'a "quote"', '"', "tab\there", "comma, here", " spaces ",
    "=1+1", "#", "'", "\\", "\\n", "caf\u00e9 \U0001f600 \u2028", "\x0b\x0c\x1c\x85", "", "NA",
]  # fmt: skip
COLUMNS = {"text": str, "n": int, "x": float, "yes": bool, "more": object}
FLOATS = [0.1, -0.0, 1e300, 5e-300, 1 / 3, 123456789.123456789]


def table(format: Any, records: list[dict[str, Any]]) -> str:
    encoder = encoder_of(format, COLUMNS)
    return encoder.header() + "".join(map(encoder.row, records))


@pytest.mark.parametrize("format", ["tsv", "csv"])
def test_the_csv_module_reads_it_back(format: str) -> None:
    text = table(format, [{"text": value} for value in NASTY])
    separator = "\t" if format == "tsv" else ","
    rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    assert [row["text"] for row in rows] == NASTY
    outside_quotes = "".join(text.split('"')[::2])
    assert "\r" not in outside_quotes


@pytest.mark.parametrize("format", ["tsv", "csv"])
def test_pandas_reads_it_back(format: str) -> None:
    pandas = pytest.importorskip("pandas")
    texts = [value for value in NASTY if value]
    records = [
        {"text": text, "n": i, "x": FLOATS[i % len(FLOATS)], "yes": i % 2 == 0, "more": [i, "a\tb"]}
        for i, text in enumerate(texts)
    ]
    frame = pandas.read_csv(
        io.StringIO(table(format, records)),
        sep="\t" if format == "tsv" else ",",
        keep_default_na=False,
        lineterminator="\n",
    )
    assert frame.text.tolist() == texts
    assert frame.n.tolist() == list(range(len(texts)))
    assert frame.x.tolist() == pytest.approx([record["x"] for record in records], rel=1e-15)
    assert frame.yes.tolist() == [record["yes"] for record in records]
    assert frame.yes.dtype == bool
    assert [json.loads(more) for more in frame.more] == [record["more"] for record in records]


@pytest.mark.parametrize("format", ["tsv", "csv", "jsonl"])
def test_our_own_reader_reads_it_back(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"a.{format}"
    path.write_text(table(format, [{"text": value} for value in NASTY]), newline="")
    with open_items(path) as items:
        assert [item.text(may_be_empty=True) for item in items] == NASTY


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_any_text(texts: list[str]) -> None:
    text = table("tsv", [{"text": value, "n": 1} for value in texts])
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True))
    assert [row[0] for row in rows[1:]] == texts


def test_values() -> None:
    record = {"text": None, "n": np.int64(3), "x": float("nan"), "yes": np.bool_(True), "more": {}}
    assert table("tsv", [record]) == "text\tn\tx\tyes\tmore\n\t3\t\ttrue\t{}\n"
    array = {"text": "a", "x": float("inf"), "yes": False, "more": np.array([1.5, float("nan")])}
    assert table("csv", [array]).splitlines()[1] == 'a,,inf,false,"[1.5, null]"'
    assert json.loads(table("jsonl", [record, array]).splitlines()[0]) == {
        "text": None, "n": 3, "x": None, "yes": True, "more": {},
    }  # fmt: skip
    assert json.loads(table("jsonl", [array])) == {
        "text": "a", "n": None, "x": None, "yes": False, "more": [1.5, None],
    }  # fmt: skip
    assert table("tsv", [{"x": np.float32(0.1)}]).splitlines()[1] == "\t\t0.10000000149011612\t\t"


def test_a_field_without_a_column_is_not_lost_in_silence() -> None:
    for format in ("tsv", "jsonl"):
        with pytest.raises(ValueError, match="without a column: \\['wrong'\\]"):
            table(format, [{"wrong": 1}])


def test_error_is_in_json_only_where_there_is_one() -> None:
    encoder = encoder_of("jsonl", {"n": int, "error": str})
    assert encoder.row({"n": 1}) == '{"n": 1}\n'
    assert encoder.row({"error": "e"}) == '{"n": null, "error": "e"}\n'
