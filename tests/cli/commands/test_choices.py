"""`pythia choices`: lists and columns of choices, labels, and the summary."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.running import Pythia

QUESTIONS = [
    {"ctx": "It was not", "endings": ["a", "xyzzy"], "gold": 0},
    {"ctx": "She was", "endings": ["qqq", "very"], "gold": "very"},
    {"ctx": "", "endings": ["It", "xyzzy"], "gold": 1},
]


def rows_of(text: str, delimiter: str = "\t") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    path = tmp_path / "items.jsonl"
    path.write_text("".join(json.dumps(question) + "\n" for question in QUESTIONS))
    return path


RUN = ("--context", "ctx", "--choices", "endings", "--label", "gold")


def test_lists_of_choices(pythia: Pythia, questions: Path, tmp_path: Path) -> None:
    out = tmp_path / "rows.csv"
    (summary,) = rows_of(pythia("choices", questions, *RUN, "-o", out).out)
    assert (summary["n"], float(summary["acc"])) == ("3", pytest.approx(2 / 3))
    rows = rows_of(out.read_text(), ",")
    assert [row["chosen"] for row in rows] == ["0", "1", "0"]
    assert [row["acc"] for row in rows] == ["1.0", "1.0", "0.0"]
    assert [len(json.loads(row["logprobs"])) for row in rows] == [2, 2, 2]


def test_a_column_for_each_choice(pythia: Pythia, tmp_path: Path) -> None:
    path = tmp_path / "items.tsv"
    lines = ["q\ta\tb\tright", "It was not\ta\txyzzy\t0", "She was\tqqq\tvery\tvery"]
    path.write_text("\n".join(lines) + "\n")
    run = ("choices", path, "--context", "q", "--choices", "a,b")
    (summary,) = pythia(*run, "--label", "right", "--json").records
    assert (summary["n"], summary["acc"], summary["delimiter"]) == (2, 1.0, " ")
    for options in ([], ["--json"]):  # no labels, so nothing to sum up
        done = pythia(*run, *options)
        assert done.out == ""
        assert done.err.endswith(
            "no item has a label, so there is no accuracy; -o FILE writes the chosen ones\n"
        )
    assert "so there is no accuracy\n" in pythia(*run, "-o", tmp_path / "rows.tsv").err
    assert [row["chosen"] for row in rows_of(pythia(*run, "-o", "-").out)] == ["0", "1"]


def test_lists_in_cells(pythia: Pythia, questions: Path, tmp_path: Path) -> None:
    """As JSON text, which our own tables have too, and pandas' labels where some are missing."""
    path, out = tmp_path / "items.csv", tmp_path / "rows.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ctx", "endings", "gold"])
        for question, label in zip(QUESTIONS, ("0.0", "1.0", "1"), strict=True):
            writer.writerow([question["ctx"], json.dumps(question["endings"]), label])
    assert pythia("choices", path, *RUN).out == pythia("choices", questions, *RUN).out
    pythia("choices", path, *RUN, "-o", out)
    assert pythia("choices", out, *RUN).out == pythia("choices", questions, *RUN).out


@pytest.mark.parametrize("label", [None, "", -1, "-1", -1.0, "-1.0"])
def test_items_without_a_label(pythia: Pythia, tmp_path: Path, label: object) -> None:
    path = tmp_path / "items.jsonl"
    items = [
        {"context": "It was not", "choices": ["a", "xyzzy"], "label": known}
        for known in (0.0, label)
    ]
    path.write_text("".join(json.dumps(item) + "\n" for item in items))
    (summary,) = pythia("choices", path, "--json").records
    assert (summary["n"], summary["acc"]) == (1, 1.0)
    assert "line 2: field 'label'" in pythia("choices", path, "--label", "label", status=2).err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"gold": 2}, "field 'gold' is 2, which is none of the 2 choices"),
        ({"gold": "no"}, "field 'gold' is 'no', which is none"),
        ({"gold": 0.5}, "field 'gold' is 0.5, which is none"),
        ({"gold": True}, "field 'gold' is True, which is none"),
        ({"gold": "1", "endings": ["1", "0"]}, "which may mean several of the 2 choices"),
        ({"endings": []}, "field 'endings' is an empty list"),
        ({"endings": "a"}, "field 'endings' is not a list of texts"),
        ({"endings": ["a", ""], "gold": 0}, "one of them is empty"),
        ({"ctx": None}, "field 'ctx' is null"),
    ],
)
def test_bad_questions(
    pythia: Pythia, tmp_path: Path, change: dict[str, object], said: str
) -> None:
    path = tmp_path / "items.jsonl"
    questions = [QUESTIONS[0], {**QUESTIONS[1], **change}]
    path.write_text("".join(json.dumps(question) + "\n" for question in questions))
    done = pythia("choices", path, *RUN, status=2)
    assert said in done.err
    assert "line 2" in done.err
