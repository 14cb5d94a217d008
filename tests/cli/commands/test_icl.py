"""`pythia icl`: the summary, the rows, inputs, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from pythia_cli.tables.read_table import read_rows
from tests.cli.running import Pythia, error_line

COLUMNS = ["n_tokens", "n_windows", "loss_early", "loss_late", "icl", "stderr", "int8_error"]
FIGURES = ["n", "icl", "stderr", "loss_early", "loss_late", "int8_error", "n_texts", "n_short"]
USAGE, NOT_FOUND = 2, 3
SHORT = ("--early", "5", "--late", "60")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, eval_text: str) -> Path:
    """Two texts, one that is shorter than any window, and a table."""
    path = tmp_path_factory.mktemp("texts")
    (path / "a.txt").write_text(eval_text[:2000])
    (path / "b.txt").write_text(eval_text[2000:5000])
    (path / "short.txt").write_text("It was.")
    lines = [
        {"id": i, "kind": "xy"[i % 2], "body": eval_text[1000 * i : 1000 * i + 900]}
        for i in range(4)
    ]
    (path / "table.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def test_a_file(pythia: Pythia, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "icl.tsv"
    (summary,) = rows_of(pythia("icl", folder / "a.txt", *SHORT, "-o", out).out)
    assert list(summary) == ["model", "step", "group", *FIGURES]
    (row,) = read_rows(out)
    assert list(row) == ["model", "step", "precision", "file", "item", *COLUMNS, "error"]
    assert (row["file"], row["n_windows"]) == (str(folder / "a.txt"), row["n_tokens"] // 60)
    for name in ("icl", "loss_early", "loss_late", "stderr"):
        assert float(summary[name]) == pytest.approx(row[name])
    assert summary["n"] == str(row["n_windows"])
    assert summary["int8_error"] == ""  # the demo is not certified


def test_files_and_steps(in_own_store: Pythia, folder: Path) -> None:
    files = [str(folder / name) for name in ("a.txt", "short.txt", "b.txt")]
    summary = rows_of(in_own_store("icl", *files, *SHORT, "-c", "64,512").out)
    assert [(row["step"], row["group"], row["n_short"]) for row in summary] == [
        (step, group, n_short)
        for step in ("64", "512")
        for group, n_short in [(files[0], "0"), (files[1], "1"), (files[2], "0"), ("", "1")]
    ]
    for first, short, second, everything in (summary[:4], summary[4:]):
        assert (short["n"], short["icl"]) == ("0", "")
        assert int(first["n"]) + int(second["n"]) == int(everything["n"])
        weighted = sum(float(row["icl"]) * int(row["n"]) for row in (first, second))
        assert float(everything["icl"]) == pytest.approx(weighted / int(everything["n"]))


def test_float32_is_near_int8(pythia: Pythia, folder: Path) -> None:
    run = ("icl", folder / "a.txt", *SHORT, "-m", "demo", "--json")
    exact, float32 = pythia(*run).record, pythia(*run, "--dtype", "float32").record
    assert (exact["int8_error"], float32["int8_error"]) == (None, 0)
    assert 0 < abs(exact["icl"] - float32["icl"]) < 0.1


def test_json_says_how_it_was_measured(pythia: Pythia, folder: Path) -> None:
    run = ("icl", folder / "a.txt", *SHORT, "--json")
    with_bos, without = pythia(*run).record, pythia(*run, "--no-bos").record
    assert (with_bos["measure"], with_bos["early"], with_bos["late"]) == ("icl", 5, 60)
    assert [record["bos"] for record in (with_bos, without)] == [True, False]
    assert with_bos["icl"] != without["icl"]
    assert len(with_bos["source"]["sha256"]) == 64


def test_items_and_lines(pythia: Pythia, folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "icl.tsv"
    table = folder / "table.jsonl"
    run = ("icl", table, *SHORT, "--by", "item", "--field", "body")
    summary = rows_of(pythia(*run, "--group", "kind", "-o", out).out)
    assert [(row["group"], row["n_texts"]) for row in summary] == [
        ("x", "2"),
        ("y", "2"),
        ("", "4"),
    ]
    found = list(read_rows(out))
    assert [row["id"] for row in found] == [0, 1, 2, 3]
    assert "body" not in found[0]
    assert float(summary[-1]["n"]) == sum(row["n_windows"] for row in found)
    lines = rows_of(pythia("icl", folder / "a.txt", *SHORT, "--by", "line", "-o", "-").out)
    n_lines = len((folder / "a.txt").read_text().splitlines())
    assert len(lines) == n_lines
    assert {row["n_windows"] for row in lines} >= {"0", "1"}
    short = pythia("icl", table, *SHORT, "--by", "item", "--field", "bodi", status=USAGE)
    assert "did you mean body?; try: --column body" in short.err


def test_standard_input(pythia: Pythia, folder: Path) -> None:
    data = (folder / "a.txt").read_bytes()
    named = rows_of(pythia("icl", folder / "a.txt", *SHORT, "-o", "-").out)
    (piped,) = rows_of(pythia("icl", "-", *SHORT, "-o", "-", stdin=data).out)
    assert piped == {**named[0], "file": "standard input"}


def test_texts_that_are_too_short(pythia: Pythia, folder: Path, tmp_path: Path) -> None:
    short, out = folder / "short.txt", tmp_path / "icl.tsv"
    line = error_line(pythia("icl", short, status=None), USAGE)
    assert line == (
        f"error: {short}: has 3 tokens; a window needs 500; try: longer texts, or a smaller --late"
    )
    other = tmp_path / "other.txt"
    other.write_text("It was not.")
    done = pythia("icl", short, other, "-o", out, status=USAGE)
    assert "error: texts: have 3 to 4 tokens; a window needs 500" in done.err
    assert done.out == ""
    assert [row["n_windows"] for row in read_rows(out)] == [0, 0]  # the rows say how long they are


def test_resumed(pythia: Pythia, folder: Path, tmp_path: Path) -> None:
    path, out = tmp_path / "rows.jsonl", tmp_path / "out.tsv"
    good = (folder / "table.jsonl").read_text().splitlines()
    path.write_text("\n".join([good[0], '{"id": 1, "kind": "x", "body": 5}', good[2]]) + "\n")
    run = ("icl", path, *SHORT, "--by", "item", "--field", "body", "-o", out)
    done = pythia(*run, status=USAGE)
    assert "field 'body' is a number; expected a text" in done.err
    assert "add --skip-errors --resume to leave it out" in done.err
    done = pythia(*run, "--resume", "--skip-errors", status=USAGE)
    assert rows_of(done.out)[0]["n_texts"] == "2"
    assert [row["error"] is None for row in read_rows(out)] == [True, False, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--early", "0"], "--early is 0; expected a whole number, 1 or more"),
        (["--early", "1", "--no-bos"], "--early is 1; expected 2 or more"),
        (["--late", "50"], "--late is 50; expected more than the early token, 50"),
        (["--late", "513"], "--late is 513; expected 512 or less in a context of 512"),
        (["--late", "many"], "'many' is not a valid int"),
        (["--column", "x"], "--column is for texts within a file; try: --by item"),
        (["--group", "x"], "--group is for texts within a file"),
        (["-0"], "--null is for texts within a file"),
        (["--by", "line", "--column", "x"], "--by line takes lines as they are"),
        (["--by", "word"], "'word' is not one of"),
        (["--by", "line", "--group", "x"], "has no column 'x'"),
        (["--format", "csv"], "--output FILE"),
        (["--json", "-o", "-"], "--format jsonl"),
        (["--dtype", "float32", "--precision", "fast"], "fast"),
    ],
)
def test_what_is_refused(pythia: Pythia, folder: Path, arguments: list[str], message: str) -> None:
    done = pythia("icl", folder / "a.txt", "-m", "demo", *arguments, status=USAGE)
    assert message in done.err
    assert done.out == ""


def test_files_that_cannot_be_read(pythia: Pythia, folder: Path, tmp_path: Path) -> None:
    """Nothing is measured, and no table begun."""
    out, other = tmp_path / "icl.tsv", tmp_path / "latin1.txt"
    other.write_bytes("café".encode("latin-1"))
    run = ("icl", folder / "a.txt", *SHORT, "-o", out)
    assert "nowhere.txt does not exist" in pythia(*run, "nowhere.txt", status=NOT_FOUND).err
    assert "is not UTF-8 text" in pythia(*run, other, status=USAGE).err
    assert "is the same file as" in pythia(*run, folder / "a.txt", status=USAGE).err
    assert [path.name for path in tmp_path.iterdir()] == ["latin1.txt"]
