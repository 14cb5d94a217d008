"""Memorization of items, whatever they hold rows in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.errors import PythiaError
from pythia_cli.library.model import Model
from pythia_cli.measures.memorize import MemorizationMeter, MemorizationOptions
from pythia_cli.measures.memorize_items import MEMORIZED_COLUMNS, memorized_measure
from pythia_cli.tables.problems import ItemError
from pythia_cli.tables.records import Records, collect
from pythia_cli.tables.running import located
from pythia_cli.tables.text_items import TextItems
from pythia_cli.tables.token_rows import open_token_rows
from tests.conftest import GOLDEN

OPTIONS = MemorizationOptions(32, 6)


@pytest.fixture(scope="module")
def model() -> Iterator[Model]:
    with pythia_cli.load("demo") as opened:
        yield opened


@pytest.fixture(scope="module")
def rows() -> np.ndarray[Any, Any]:
    with np.load(GOLDEN / "memorize" / "golden.npz") as file:
        return file["trained_rows"][:5].astype(np.uint16)


def expected(model: Model, rows: np.ndarray[Any, Any]) -> list[Any]:
    return MemorizationMeter(model, OPTIONS).measure(rows.astype(int))


def measured(records: Records) -> list[dict[str, Any]]:
    return [{name: record[name] for name in MEMORIZED_COLUMNS} for record in records]


def write(path: Path, rows: np.ndarray[Any, Any]) -> None:
    lists = rows.tolist()
    if path.suffix == ".npy":
        np.save(path, rows)
    elif path.suffix == ".bin":
        rows.tofile(path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"id": "x", "tokens": row}) + "\n" for row in lists))
    elif path.suffix == ".parquet":
        pyarrow, parquet = (
            pytest.importorskip("pyarrow"),
            pytest.importorskip("pyarrow.parquet"),
        )
        parquet.write_table(pyarrow.table({"id": ["x"] * len(rows), "tokens": lists}), path)
    else:
        path.write_text("id\ttokens\n" + "".join(f"x\t{row}\n" for row in lists))


@pytest.mark.parametrize("suffix", [".npy", ".bin", ".jsonl", ".parquet", ".tsv"])
def test_the_same_rows_in_every_format(
    model: Model, rows: np.ndarray[Any, Any], tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"a{suffix}"
    write(path, rows)
    with open_token_rows(path, row_length=rows.shape[1], n_tokens=OPTIONS.n_tokens) as items:
        found = collect(
            items,
            MEMORIZED_COLUMNS,
            [lambda: pythia_cli.load("demo")],
            memorized_measure(OPTIONS),
            left_out=["tokens"],
        )
    assert measured(found) == expected(model, rows)
    carried = "idx" if suffix in (".npy", ".bin") else "id"
    assert list(found[0])[:5] == ["model", "step", "precision", "item", carried]
    assert [record["item"] for record in found] == [1, 2, 3, 4, 5]


def test_texts(model: Model, eval_text: str) -> None:
    texts = [eval_text[:500], "[" + eval_text[:500], "[1, 2" + eval_text[:500]]
    found = memorized_measure(OPTIONS, "text")(model, list(TextItems(texts)))
    assert found == [[record] for record in MemorizationMeter(model, OPTIONS).measure(texts)]


def test_bad_items_are_errors_in_their_place(
    model: Model, rows: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    row = rows[0].tolist()
    path = tmp_path / "a.jsonl"
    values = [row, 3, None, "", [], row[:37], [*row[:30], 4090, *row], [*row[:3], "x", *row], "[1]"]
    path.write_text("".join(json.dumps({"tokens": value}) + "\n" for value in values))
    with open_token_rows(path) as opened:
        items = list(opened)
    found = memorized_measure(OPTIONS)(model, items)
    good, *bad = found
    assert good == [expected(model, rows[:1])[0]]
    messages = []
    for item, error in zip(items[1:], bad, strict=True):
        assert isinstance(error, PythiaError)
        place = located(item, error)
        assert isinstance(place, ItemError)
        messages.append(str(place).removeprefix(f"{path}, "))
    assert messages == [
        "line 2: field 'tokens' is a number; expected a list of token ids, or a text",
        "line 3: field 'tokens' is null; expected a list of token ids, or a text",
        "line 4: field 'tokens' is empty",
        "line 5: has 0 tokens; 38 are needed",
        "line 6: has 37 tokens; 38 are needed",
        "line 7: token 31 has the id 4090; the tokenizer has ids from 0 to 4077",
        "line 8: expected a text, or a list of token ids, which are whole numbers",
        "line 9: has 1 tokens; 38 are needed",
    ]
