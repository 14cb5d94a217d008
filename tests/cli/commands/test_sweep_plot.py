"""`pythia sweep plot`: what it draws where, and what it refuses."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from pythia_cli.cli import app
from pythia_cli.sweeps import table
from pythia_cli.sweeps.table import COLUMNS
from pythia_cli.tables.records import Records
from tests.sweeps.sweep_rows import sweep


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose table has two models at three steps."""
    rows = sweep(["pythia-70m", "pythia-160m"], [0, 64, 3000], certified=True)
    monkeypatch.setattr(table, "table_rows", lambda _: Records(COLUMNS, rows))
    monkeypatch.setenv("COLUMNS", "70")
    monkeypatch.chdir(tmp_path)
    return Path("runs/grammar")


def test_curves_in_the_terminal(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["sweep", "plot", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.endswith(")")] == [
        "accuracy (pairs, blimp.jsonl)",
        "perplexity (eval.txt)",
        "kl_mean (quantization error, eval.txt)",
    ]
    assert lines[-1] == "● pythia-70m  ■ pythia-160m"
    assert max(map(len, lines)) <= 70


def test_a_terminal_of_ascii(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.TextIOWrapper(io.BytesIO(), encoding="ascii", errors="strict")
    monkeypatch.setattr(sys, "stdout", out)
    assert app.run(["sweep", "plot", str(folder), "--measure", "pairs"]) == 0
    out.seek(0)
    assert "* pythia-70m  o pythia-160m" in out.read()


def test_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["sweep", "plot", str(folder), "--json", "--group", "npi*", "--x", "tokens"]
    assert app.run(command) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(r["model"], r["group"], r["figure"]) for r in records[:2]] == [
        ("pythia-70m", "npi_licensing", "accuracy"),
        ("pythia-160m", "npi_licensing", "accuracy"),
    ]
    assert [point["x"] for point in records[0]["points"]] == [0, 134217728, 6291456000]


@pytest.mark.parametrize("name", ["a.svg", "a.PNG", "a.pdf", "a.html"])
def test_files(folder: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(["sweep", "plot", str(folder), "-o", name]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"plotted {folder} in {name}\n")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).stat().st_size > 5000


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        (["-o", "a.jpg"], 2, "--output is 'a.jpg'; expected a file name that ends in .svg, .png,"),
        (["-o", "-"], 2, "--output is '-'; expected a file name"),
        (["-o", "a.svg", "--json"], 2, "--json and --output exclude each other"),
        (
            ["-o", "a.html", "--input", "x"],
            2,
            "--input is for pictures; a page has the whole sweep",
        ),
        (["-o", "no/a.svg"], 7, "no/a.svg: cannot be written"),
        (["--measure", "pears"], 3, "unknown measure of this sweep 'pears'; did you mean pairs?"),
        (["--group", "x"], 3, "try: pythia sweep table DIR"),
    ],
)
def test_what_is_refused(
    folder: Path,
    options: list[str],
    status: int,
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert app.run(["sweep", "plot", str(folder), *options]) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert list(Path().iterdir()) == []


def test_no_sweep_and_no_results(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    missing = {**dict.fromkeys(COLUMNS), "model": "demo", "error": "not measured yet"}
    for rows in ([], [missing]):
        monkeypatch.setattr(table, "table_rows", lambda _, rows=rows: Records(COLUMNS, rows))
        for more in ([], ["--json"], ["-o", "a.svg"], ["-o", "a.html"]):
            assert app.run(["sweep", "plot", "a b", *more]) == 2
            captured = capsys.readouterr()
            assert captured.out == ""
            assert "has no results yet; try: pythia sweep status 'a b'" in captured.err
    assert list(Path().iterdir()) == []
    monkeypatch.undo()
    assert app.run(["sweep", "plot", "nowhere"]) == 3
    assert "holds no sweep" in capsys.readouterr().err
