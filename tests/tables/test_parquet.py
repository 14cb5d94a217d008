"""Parquet, in and out; and what is said without pyarrow."""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path

import pytest

from pythia_cli.errors import InputError
from pythia_cli.tables.items import open_items
from pythia_cli.tables.problems import ItemError, MissingColumn, MissingExtra
from pythia_cli.tables.table import open_table

COLUMNS = {"text": str, "n": int, "x": float, "yes": bool, "more": object}


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingExtra, match="Parquet needs pyarrow, which is not installed"):
        open_items(tmp_path / "a.parquet")
    with pytest.raises(MissingExtra) as raised:
        open_table(tmp_path / "b.parquet", columns=COLUMNS, identity={})
    assert raised.value.extra == "parquet"


def test_items(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    n = 2_500
    day = datetime.date(2020, 1, 2)
    columns = {
        "text": [f"text {i}" if i != 1 else None for i in range(n)],
        "id": list(range(n)),
        "day": [day] * n,
        "deep": [{"x": ["y"]}] * n,
    }
    parquet.write_table(pyarrow.table(columns), path)
    with open_items(path) as items:
        for _ in range(2):
            found = list(items)
            assert [item.number for item in found] == list(range(1, n + 1))
            assert sum(item.n_bytes for item in found) == items.n_bytes == path.stat().st_size
        assert found[7].text() == "text 7"
        assert found[7].text("deep.x.0") == "y"
        assert found[7].content() == next(i for i in items if i.number == 8).content()
        with pytest.raises(ItemError, match=r"a\.parquet, row 2: field 'text' is null"):
            found[1].text()
        assert items.columns == {"text": str, "id": int, "day": object, "deep": object}
    with pytest.raises(MissingColumn):
        open_items(path, column="none")
    (tmp_path / "bad.parquet").write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match=r"bad\.parquet: cannot be read as Parquet"):
        open_items(tmp_path / "bad.parquet")


def test_a_table(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "a.parquet"
    with open_table(path, columns=COLUMNS, identity={"command": "x"}) as table:
        table.write(
            [
                {"text": "a\tb\n", "n": i, "x": i / 3, "yes": i % 2 == 0, "more": [i]}
                for i in range(9)
            ],
            table.progress,
        )
        table.write([{"text": None, "x": float("nan"), "more": "text"}], table.progress)
    found = parquet.read_table(path)
    assert found.schema.names == list(COLUMNS)
    assert list(map(str, found.schema.types)) == ["string", "int64", "double", "bool", "string"]
    assert json.loads(found.schema.metadata[b"pythia"]) == {"command": "x", "format": "parquet"}
    rows = found.to_pylist()
    assert rows[4] == {"text": "a\tb\n", "n": 4, "x": 4 / 3, "yes": True, "more": "[4]"}
    assert rows[9] == {"text": None, "n": None, "x": None, "yes": None, "more": "text"}
