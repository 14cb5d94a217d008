"""`pythia memorize`: the summary, the rows, inputs, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pythia_cli.tables.read_table import read_rows
from tests.cli.running import Pythia
from tests.conftest import GOLDEN

COLUMNS = ["score", "extractable", "first_miss", "nll", "margin", "n_near_ties"]
USAGE = 2


@pytest.fixture(scope="module")
def rows() -> np.ndarray[Any, Any]:
    with np.load(GOLDEN / "memorize" / "golden.npz") as file:
        return file["trained_rows"].astype(np.uint16)


@pytest.fixture(scope="module")
def npy(rows: np.ndarray[Any, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "rows.npy"
    np.save(path, rows)
    return path


def rows_of(text: str, delimiter: str = "\t") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


def test_the_summary_is_that_of_the_rows(pythia: Pythia, npy: Path, tmp_path: Path) -> None:
    out = tmp_path / "memorized.csv"
    run = ("memorize", npy, "--continuation", "6")
    summary = rows_of(pythia(*run, "-o", out).out)
    found = list(read_rows(out))
    assert list(found[0]) == ["model", "step", "precision", "item", "idx", *COLUMNS, "error"]
    assert [row["idx"] for row in found] == list(range(24))
    assert found[0]["extractable"] is True
    assert found[0]["first_miss"] is None
    assert [row["group"] for row in summary] == [""]
    assert float(summary[0]["score"]) == pytest.approx(np.mean([row["score"] for row in found]))
    assert float(summary[0]["extractable"]) == pytest.approx(1 / 24)
    assert summary[0]["n_with_near_ties"] == ""  # the demo is not certified
    assert rows_of(pythia(*run).out) == summary


def test_files_and_steps(in_own_store: Pythia, npy: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.npy"
    np.save(other, np.load(npy)[:2])
    summary = rows_of(in_own_store("memorize", npy, other, "-c", "64,512", "--limit", "25").out)
    assert [(row["step"], row["group"], row["n"]) for row in summary] == [
        ("64", str(npy), "24"), ("64", str(other), "1"), ("64", "", "25"),
        ("512", str(npy), "24"), ("512", str(other), "1"), ("512", "", "25"),
    ]  # fmt: skip


def test_json_says_how_it_was_measured(pythia: Pythia, npy: Path) -> None:
    run = ("memorize", npy, "--limit", "3", "--prompt", "20", "--continuation", "5", "--json")
    (whole,), (short,) = pythia(*run).records, pythia(*run, "--extractable-only").records
    assert whole["measure"] == "memorize"
    assert (whole["prompt"], whole["continuation"]) == (20, 5)
    assert [record["extractable_only"] for record in (whole, short)] == [False, True]
    assert short["score"] is None
    assert short["extractable"] == whole["extractable"]
    assert len(whole["source"]["sha256"]) == 64


def test_raw_rows_and_standard_input(
    pythia: Pythia, rows: np.ndarray[Any, Any], npy: Path, tmp_path: Path
) -> None:
    pile = np.zeros((3, 2049), "<u2")
    pile[:, :64] = rows[:3]
    path = tmp_path / "document.bin"
    pile.tofile(path)
    wanted = rows_of(pythia("memorize", npy, "--limit", "3", "-o", "-").out)
    assert rows_of(pythia("memorize", path, "-o", "-").out) == wanted
    raw = rows[:3].tobytes()
    done = pythia("memorize", "-", "--input-format", "bin", "--row-length", "64", "-o", "-",
                  stdin=raw)  # fmt: skip
    assert rows_of(done.out) == wanted


def test_the_column_of_the_tokens(
    pythia: Pythia, rows: np.ndarray[Any, Any], tmp_path: Path
) -> None:
    """`tokens` if there is such a column, as in EleutherAI's published rows; else text."""
    lines = [{"index": 7, "tokens": rows[0].tolist(), "text": "x"}]
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(lines[0]) + "\n")
    (found,) = rows_of(pythia("memorize", path, "-o", "-").out)
    assert list(found)[:6] == ["model", "step", "precision", "item", "index", "text"]
    assert pythia("memorize", path, "--field", "token", status=USAGE).err.endswith(
        "has no column 'token'; did you mean tokens?; try: --column tokens\n"
    )


def test_a_larger_limit_goes_on(pythia: Pythia, npy: Path, tmp_path: Path) -> None:
    out, whole = tmp_path / "out.tsv", tmp_path / "whole.tsv"
    run = ("memorize", npy, "--continuation", "6")
    pythia(*run, "--limit", "2", "-o", out)
    assert "wrote 2 rows" in pythia(*run, "--limit", "4", "--resume", "-o", out).err
    pythia(*run, "--limit", "4", "-o", whole)
    assert out.read_bytes() == whole.read_bytes()


def test_resumed(pythia: Pythia, rows: np.ndarray[Any, Any], tmp_path: Path) -> None:
    path, out = tmp_path / "rows.npy", tmp_path / "out.tsv"
    bad = rows[:6].copy()
    bad[3, 5] = 4090
    np.save(path, bad)
    run = ("memorize", path, "-o", out)
    done = pythia(*run, status=USAGE)
    assert f"{path}, row 4: token 6 has the id 4090; the tokenizer has ids from 0 to" in done.err
    assert "add --skip-errors --resume to leave it out" in done.err
    done = pythia(*run, "--resume", "--skip-errors", status=USAGE)
    assert rows_of(done.out)[0]["n"] == "5"
    assert [row["error"] is None for row in read_rows(out)] == [True] * 3 + [False] + [True] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--prompt", "0"], "--prompt is 0; expected a whole number, 1 or more"),
        (["--continuation", "-1"], "--continuation is -1; expected a whole number, 1 or more"),
        (["--prompt", "513"], "--prompt is 513; expected 512 or less, the model's context"),
        (
            ["--continuation", "500"],
            "--continuation is 500; expected 481 or less behind 32 tokens, in a context of 512",
        ),
        (["--limit", "0"], "0 is not in the range x>=1"),
        (["--row-length", "0"], "0 is not in the range x>=1"),
        (["--input-format", "bin"], "try: --row-length N, the token ids of a row"),
        (["--input-format", "npz"], "'npz' is not one of"),
        (["--continuation", "33"], "row 1: has 64 tokens; 65 are needed"),
        (["--format", "csv"], "--output FILE"),
        (["--json", "-o", "-"], "--format jsonl"),
    ],
)
def test_what_is_refused(pythia: Pythia, npy: Path, arguments: list[str], message: str) -> None:
    done = pythia("memorize", npy, "-m", "demo", *arguments, status=USAGE)
    assert message in done.err
    assert done.out == ""


def test_a_file_that_is_no_array(pythia: Pythia, tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    path.write_bytes(b"text")
    done = pythia("memorize", path, status=USAGE)
    assert f"error: {path}: is not a .npy file of an array of numbers" in done.err


@pytest.mark.parametrize("cell", ["[1 2 3]", "1 2 3", "[1.0, 2.0]", "(1, 2, 3)", "[1 2 ... 9]"])
def test_ids_that_are_written_otherwise_are_no_text(
    pythia: Pythia, tmp_path: Path, cell: str
) -> None:
    path = tmp_path / "rows.tsv"
    path.write_text(f"tokens\n{cell}\n")
    done = pythia("memorize", path, "--prompt", "1", "--continuation", "1", status=2)
    assert "looks like token ids; write them as [1, 2, 3]" in done.err
