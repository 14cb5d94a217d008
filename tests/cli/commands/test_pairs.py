"""`pythia pairs`: the summary, the rows, and what JSON says of both."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.running import Pythia

PAIRS = [
    ("She was not happy.", "She were not happy.", "agreement"),
    ("He had been there.", "He had be there.", "verbs"),
    ("They are here.", "They is here.", "agreement"),
    ("The same.", "The same.", "verbs"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The same pairs in two files, as JSON lines."""
    folder = tmp_path_factory.mktemp("pairs")
    names = ("sentence_good", "sentence_bad", "UID")
    lines = [json.dumps(dict(zip(names, pair, strict=True))) for pair in PAIRS]
    for name in ("one.jsonl", "two.jsonl"):
        (folder / name).write_text("\n".join(lines) + "\n")
    return [folder / "one.jsonl", folder / "two.jsonl"]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


def test_the_summary_is_that_of_the_rows(pythia: Pythia, files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "rows.tsv"
    summary = rows_of(pythia("pairs", *files, "-o", out).out)
    rows = rows_of(out.read_text())
    assert [row["sentence_good"] for row in rows] == [pair[0] for pair in PAIRS] * 2
    assert [row["file"] for row in rows] == [str(file) for file in files for _ in PAIRS]
    assert [row["group"] for row in summary] == ["agreement", "verbs", ""]
    assert [row["n"] for row in summary] == ["4", "4", "8"]
    assert [row["n_ties"] for row in summary] == ["0", "2", "2"]
    mean = sum(float(row["correct"]) for row in rows) / 8
    assert float(summary[-1]["accuracy"]) == mean
    assert rows_of(pythia("pairs", *files).out) == summary


def test_json_says_how_it_was_measured(pythia: Pythia, files: list[Path]) -> None:
    plain, spaced = (
        pythia("pairs", files[0], "--json", *options).records
        for options in ([], ["--leading-space"])
    )
    assert [record["leading_space"] for record in (plain[0], spaced[0])] == [False, True]
    for record in plain:
        assert record["measure"] == "pairs"
        assert record["precision"] == "exact"
        assert len(record["source"]["sha256"]) == 64


def test_columns_and_groups_by_name(pythia: Pythia, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    lines = ["a,b,kind", *(f"{good},{bad},{kind}" for good, bad, kind in PAIRS)]
    path.write_text("\n".join(lines) + "\n")
    run = ("pairs", path, "--good", "a", "--bad", "b")
    assert [row["n"] for row in rows_of(pythia(*run).out)] == ["4"]
    found = rows_of(pythia(*run, "--group", "kind").out)
    assert [row["group"] for row in found] == ["agreement", "verbs", ""]
    other = tmp_path / "other.csv"
    other.write_text(path.read_text())
    several = rows_of(pythia(*run, other).out)
    assert [row["n"] for row in several] == ["4", "4", "8"]  # by file


def test_pairs_of_no_group_and_groups_in_objects(pythia: Pythia, tmp_path: Path) -> None:
    """The same totals with a file of rows and without; a device is written directly."""
    path, out = tmp_path / "pairs.jsonl", tmp_path / "rows.tsv"
    rows = [
        {"sentence_good": "It was.", "sentence_bad": "It be.", "UID": uid, "m": {"k": "x"}}
        for uid in ("a", None, "b")
    ]
    del rows[2]["UID"]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    for options in ([], ["-o", out], ["-o", "/dev/null"]):
        found = rows_of(pythia("pairs", path, *options).out)
        assert [(row["group"], row["n"]) for row in found] == [("a", "1"), ("", "3")]
    found = rows_of(pythia("pairs", path, "--group", "m.k").out)
    assert [(row["group"], row["n"]) for row in found] == [("x", "3"), ("", "3")]
    assert "--group" in pythia("pairs", path, "--group", "file", status=2).err


def test_rows_on_stdout_in_place_of_the_summary(pythia: Pythia, files: list[Path]) -> None:
    found = rows_of(pythia("pairs", files[0], "-o", "-").out)
    assert len(found) == len(PAIRS)
    done = pythia("pairs", files[0], "-o", "-", "--json", status=2)
    assert "--format jsonl" in done.err
    assert "--output FILE" in pythia("pairs", files[0], "--format", "csv", status=2).err


def test_a_missing_column_is_an_error_before_anything_else(
    pythia: Pythia, files: list[Path]
) -> None:
    done = pythia("pairs", files[0], "--good", "sentence_god", "-m", "demo", status=2)
    assert "did you mean sentence_good or sentence_bad?" in done.err
    assert "try: --good sentence_good" in done.err


def test_the_hint_names_an_option_that_there_is(pythia: Pythia, tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("It was.\n")
    done = pythia("pairs", path, status=2)
    assert done.err.endswith("has no column 'sentence_good'; there are: text; try: --good NAME\n")
    assert "Tables: TSV, CSV" in pythia("pairs", "--help").out


def test_errors_that_are_not_printed_are_counted(
    in_own_store: Pythia, files: list[Path], tmp_path: Path
) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text(files[0].read_text() + '{"sentence_good": "", "sentence_bad": "x"}\n' * 12)
    run = ("pairs", path, "--skip-errors", "-c", "64,512")
    done = in_own_store(*run, status=2)
    assert done.err.endswith("\n12 items failed in all; -o FILE says why\n")


def test_resumed(pythia: Pythia, files: list[Path], tmp_path: Path) -> None:
    """Its summary counts the rows of before too."""
    out, bad = tmp_path / "rows.jsonl", tmp_path / "pairs.jsonl"
    good = files[0].read_text()
    bad.write_text(good + '{"sentence_good": "", "sentence_bad": "x", "UID": "verbs"}\n' + good)
    run = ("pairs", bad, "-o", out)
    assert "--skip-errors --resume" in pythia(*run, status=2).err
    assert not out.exists()
    done = pythia(*run, "--resume", "--skip-errors", status=2)
    assert rows_of(done.out)[-1]["n"] == "8"
    assert len(out.read_text().splitlines()) == 9
