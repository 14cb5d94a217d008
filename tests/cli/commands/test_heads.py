"""`pythia heads`: rows, maps, and what a terminal shows."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import pytest

import pythia_cli
from tests.cli.running import Pythia
from tests.cli.screens import screen_of

FEW = ("--sequences", "4", "--length", "10")


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def test_a_row_for_each_head(in_own_store: Pythia) -> None:
    rows = rows_of(in_own_store("heads", "-m", "demo", "-c", "512,3000", *FEW).out)
    assert len(rows) == 2 * 3 * 6 * 4
    assert [row["step"] for row in rows[::72]] == ["512", "3000"]
    with pythia_cli.load("demo", 3000, n_threads=1) as model:
        expected = model.heads(n_sequences=4, length=10)
    ours = [row for row in rows if row["step"] == "3000"]
    assert [(r["kind"], r["layer"], r["head"], float(r["score"])) for r in ours] == [
        (r["kind"], str(r["layer"]), str(r["head"]), r["score"]) for r in expected
    ]


def test_a_file_of_rows_goes_on(pythia: Pythia, tmp_path: Path) -> None:
    out = tmp_path / "heads.tsv"
    arguments = ("heads", "-m", "demo", "--kinds", "previous-token", *FEW, "-o", out)
    assert pythia(*arguments).out == ""
    whole = out.read_bytes()
    assert "nothing was left to do" in pythia(*arguments, "--resume").err
    assert out.read_bytes() == whole
    other = pythia(*arguments, "--resume", "--seed", "1", status=2)
    assert "seed" in other.err


def test_json_and_options(pythia: Pythia) -> None:
    options = ("--bos", "--exclude-bos", "--exclude-current-token", "--dtype", "float32")
    records = pythia(
        "heads", "-m", "demo", "--json", "--kinds", "induction", *FEW, *options
    ).records
    assert len(records) == 24
    assert {record["kind"] for record in records} == {"induction"}
    assert all(0 <= record["score"] < 1 and math.isfinite(record["stderr"]) for record in records)


def test_a_terminal_has_maps(pythia: Pythia) -> None:
    lines = screen_of(pythia, "heads", "-m", "demo", "--kinds", "previous-token", *FEW, columns=80)
    text = "\n".join(lines)
    assert "layer 0 1 2 3" in text
    assert "score: the share of attention" in text
    assert sum(line.startswith("previous-token  ") for line in lines) == 3


def test_maps_in_a_picture(pythia: Pythia, tmp_path: Path) -> None:
    for name in ("heads.svg", "again.svg"):
        pythia("heads", "-m", "demo", *FEW, "--map", tmp_path / name)
    picture = (tmp_path / "heads.svg").read_text()
    assert picture == (tmp_path / "again.svg").read_text()
    assert "duplicate-token" in picture


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--kinds", "induction,induction"), "each of them once"),
        (("--length", "300"), "--length is 300; expected at most 256"),
        (("--sequences", "0"), "--sequences"),
        (("--map", "heads.txt"), "--map FILE.svg"),
        (("--map", "heads.svg", "-o", "heads.svg"), "is to be written twice"),
        (("--json", "-o", "heads.tsv"), "--json writes to stdout"),
        (("--resume",), "--resume needs the file"),
    ],
)
def test_bad_input(pythia: Pythia, arguments: tuple[str, ...], words: str) -> None:
    failed = pythia("heads", "-m", "demo", *arguments, status=2)
    assert failed.out == ""
    assert words in failed.err


def test_a_picture_that_cannot_be_written_is_seen_before_anything_is_measured(
    pythia: Pythia,
) -> None:
    failed = pythia("heads", "-m", "demo", "--map", "no/heads.svg", status=7)
    assert "create its folder" in failed.err
    assert failed.out == ""


def test_an_unknown_kind(pythia: Pythia) -> None:
    failed = pythia("heads", "-m", "demo", "--kinds", "inductive", status=3)
    assert "unknown kind of heads 'inductive'; did you mean induction?" in failed.err
