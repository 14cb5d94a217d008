"""`pythia perplexity --by`: the rows, the summary, and what does not go with it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from pythia_cli.measures.perplexity_items import PERPLEXITY_COLUMNS
from tests.cli.running import Pythia, error_line, together, without_model_lines

TEXTS = ["It was a truth.", "She had not been there.", 'He said so, "yes"']


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter="\t"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "texts.jsonl"
    lines = [{"id": i, "kind": "ab"[i % 2], "meta": {"text": t}} for i, t in enumerate(TEXTS)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_rows_and_the_summary(pythia: Pythia, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.tsv"
    run = ("perplexity", table, "--by", "item", "--field", "meta.text", "--group", "kind")
    summary = rows_of(pythia(*run, "-o", out).out)
    rows = rows_of(out.read_text())
    carried = ["id", "kind", "meta"]
    assert list(rows[0]) == [
        "model", "step", "precision", "item", *carried, *PERPLEXITY_COLUMNS, "error",
    ]  # fmt: skip
    assert [row["id"] for row in rows] == ["0", "1", "2"]
    assert list(summary[0]) == ["model", "step", "group", "n", *PERPLEXITY_COLUMNS]
    assert [(row["group"], row["n"]) for row in summary] == [("a", "2"), ("b", "1"), ("", "3")]
    assert float(summary[-1]["nll"]) == sum(float(row["nll"]) for row in rows)
    assert rows_of(pythia(*run).out) == summary


def test_lines_are_those_of_the_document_protocol(pythia: Pythia, tmp_path: Path) -> None:
    """Whatever the suffix, and whatever a line looks like."""
    path = tmp_path / "a.tsv"
    path.write_text("\r\n".join(TEXTS))
    by_line, whole = together(
        lambda more=more: pythia("perplexity", path, "--json", "--bos", *more)
        for more in (["--by", "line"], ["--protocol", "document"])
    )
    (record,) = by_line.records
    shared = [name for name in record if name in whole.record and name not in ("context", "stride")]
    assert {*PERPLEXITY_COLUMNS, "model", "source", "protocol", "bos"} <= set(shared)
    for name in shared:
        assert record[name] == whole.record[name]
    assert (record["measure"], record["n"], record["group"]) == ("perplexity", 3, None)
    assert (record["context"], record["stride"]) == (None, None)


def test_a_line_without_a_token_to_score(pythia: Pythia, tmp_path: Path) -> None:
    path, out = tmp_path / "a.txt", tmp_path / "rows.jsonl"
    path.write_text("It was\n\nIt\nShe had\n")
    run = ("perplexity", path, "--by", "line", "-o", out)
    (error,) = without_model_lines(pythia(*run, status=2).err)
    assert error == (
        f"error: {path}, line 2: is empty; try: add --skip-errors --resume to leave it out"
    )
    done = pythia(*run, "--skip-errors", "--resume", status=2)
    assert f"{path}, line 3: has 1 tokens" in done.err
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert ["error" in record for record in records] == [False, True, True, False]
    assert rows_of(done.out)[0]["n"] == "2"


def test_several_checkpoints_of_a_pipe(in_own_store: Pythia) -> None:
    text = "\0".join(TEXTS).encode()
    run = ("perplexity", "-", "--by", "item", "-0", "-c", "0,main")
    rows = rows_of(in_own_store(*run, "-o", "-", stdin=text).out)
    assert [(row["step"], row["item"]) for row in rows] == [
        (step, item) for step in ("0", "3000") for item in ("1", "2", "3")
    ]
    summary = rows_of(in_own_store(*run, stdin=text).out)
    assert [(row["step"], row["n"]) for row in summary] == [("0", "3"), ("3000", "3")]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--by", "line", "--show"], "--show and --by line exclude each other"),
        (["--by", "item", "--html", "x"], "--html and --by item exclude each other"),
        (["--by", "line", "--per-token", "x"], "--per-token and --by line exclude each other"),
        (["--by", "line", "--ids"], "--ids and --by line exclude each other"),
        (["--by", "line", "--protocol", "stride"], "has the protocol document, not stride"),
        (["--by", "line", "--column", "x"], "--by line takes lines as they are; try: --by item"),
        (["--by", "line", "-0"], "--by line takes lines as they are; try: --by item"),
        (["--by", "line", "--json", "-o", "-"], "--json prints the summary"),
        (["-o", "x.tsv"], "--output is for texts that are scored one by one; try: --by line"),
        (["--skip-errors"], "--skip-errors is for texts that are scored one by one"),
        (["--group", "x"], "--group is for texts that are scored one by one"),
    ],
)
def test_refused(pythia: Pythia, table: Path, arguments: list[str], says: str) -> None:
    assert says in error_line(pythia("perplexity", table, *arguments, status=None), 2)


def test_a_missing_group(pythia: Pythia, table: Path) -> None:
    run = ("perplexity", table, "--by", "item", "--column", "meta.text", "--group", "king")
    assert "try: --group kind" in pythia(*run, status=2).err
