"""`pythia surprisal`: files of sentences and of words, checkpoints, resumed and bad input."""

from __future__ import annotations

import csv
import io
import json
import math
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import MODULE, Pythia

SENTENCES = ["It was not a small one.", "She said \u201cno\u201d.", "One"]


def rows_of(text: str, delimiter: str = "\t") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


@pytest.fixture(scope="module")
def stimuli(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stimuli") / "stimuli.tsv"
    lines = ["id\tsentence\tcondition", *(f"s{i}\t{s}\tc" for i, s in enumerate(SENTENCES))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def words(pythia: Pythia, stimuli: Path) -> list[dict[str, str]]:
    return rows_of(pythia("surprisal", stimuli, "--column", "sentence").out)


def test_a_row_for_each_word_with_what_the_item_carried(words: list[dict[str, str]]) -> None:
    assert [row["word"] for row in words] == " ".join(SENTENCES).split()
    assert [row["id"] for row in words] == ["s0"] * 6 + ["s1"] * 3 + ["s2"]
    assert {row["model"] for row in words} == {"demo"}
    assert {row["step"] for row in words} == {"3000"}
    assert [row["item"] for row in words] == ["1"] * 6 + ["2"] * 3 + ["3"]
    assert all(float(row["surprisal"]) > 0 and not row["error"] for row in words)


def test_words_in_rows(pythia: Pythia, words: list[dict[str, str]], tmp_path: Path) -> None:
    """Each row of a file of words gets the value that its word has in the sentence."""
    path = tmp_path / "words.csv"
    lines = ["word,story", *(f"{row['word']},{row['item']}" for row in words)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = rows_of(pythia("surprisal", path, "--column", "word", "--group", "story").out)
    assert [row["item"] for row in found] == [str(n + 1) for n in range(len(words))]
    for name in ("word", "surprisal", "surprisal_uncorrected", "char_start", "n_tokens"):
        assert [row[name] for row in found] == [row[name] for row in words]


def test_words_in_rows_by_text(pythia: Pythia) -> None:
    """A row for each text has the column that its words share, and none of the others."""
    rows = [
        {"story": {"id": n // 2}, "word": ["It", "was", "not", "bad"][n], "x": n} for n in range(4)
    ]
    stdin = "".join(json.dumps(row) + "\n" for row in rows).encode()
    run = ("surprisal", "-", "--input-format", "jsonl", "--column", "word", "--json")
    found = pythia(*run, "--group", "story.id", "--by", "text", stdin=stdin).records
    assert [(row["story.id"], row["item"], row["n_words"]) for row in found] == [
        (0, 1, 2), (1, 3, 2),
    ]  # fmt: skip
    assert not {"word", "x", "story"} & set(found[0])


def test_units_and_bases(pythia: Pythia, stimuli: Path, words: list[dict[str, str]]) -> None:
    run = ("surprisal", stimuli, "--column", "sentence", "--json")
    texts = pythia(*run, "--by", "text", "--base", "e").records
    tokens = pythia(*run, "--by", "token").records
    bits: dict[str, float] = {}
    for row in words:
        item = row["item"]
        bits[item] = bits.get(item, 0.0) + float(row["surprisal_uncorrected"])
    for text in texts:
        mine = [token for token in tokens if token["item"] == text["item"]]
        assert text["n_tokens"] == len(mine)
        assert text["surprisal_uncorrected"] == pytest.approx(bits[str(text["item"])] * math.log(2))
        assert sum(t["surprisal"] for t in mine) == pytest.approx(bits[str(text["item"])])


def test_several_checkpoints_and_a_file(in_own_store: Pythia, stimuli: Path) -> None:
    out = in_own_store.folder / "out.csv"
    run = ("surprisal", stimuli, "--column", "sentence", "-c", "0,main", "-o", out)
    done = in_own_store(*run)
    assert done.out == ""
    rows = rows_of(out.read_text(encoding="utf-8"), ",")
    assert [row["step"] for row in rows] == ["0"] * 10 + ["3000"] * 10
    meta = json.loads(Path(f"{out}.meta.json").read_text())
    assert meta["identity"]["correction"] == "pimentel-meister"
    assert [one["provenance"]["step"] for one in meta["checkpoints"]] == [0, 3000]
    again = in_own_store(*run, "--resume")
    assert "nothing was left to do" in again.err
    out.unlink()


def test_standard_input(pythia: Pythia, words: list[dict[str, str]]) -> None:
    found = rows_of(pythia("surprisal", "-", stdin=SENTENCES[0].encode()).out)
    assert [row["surprisal"] for row in found] == [row["surprisal"] for row in words[:6]]


def test_white_space_that_the_correction_does_not_expect_is_said_once(pythia: Pythia) -> None:
    done = pythia("surprisal", "-", stdin=b"a\tb\nc\td\n")
    assert done.err.count("white-space") == 1
    done = pythia("surprisal", "-", "--correction", "white-space", stdin=b"a\tb\nc\td\n")
    assert "white-space" not in done.err
    done = pythia("surprisal", "-", "--by", "token", stdin=b"a\tb\n")
    assert "white-space" not in done.err


@pytest.mark.parametrize(
    ("lines", "options", "status", "said"),
    [
        (["a", "b c", "", "d"], [], 2, "line 3: is empty"),
        (["x", "  "], [], 2, "line 2: has no words"),
        (["a"], ["--column", "sentense"], 2, "has no column 'sentense'"),
        (["a"], ["--by", "line"], 2, "--by"),
        (["a"], ["--context", "9999"], 2, "context is 9999"),
        (["a"], ["--resume"], 2, "--resume needs the file"),
        (["a"], ["-c", "nope"], 3, "nope"),
        (["word story", "a b"], ["--group", "story"], 2, "story"),
    ],
)
def test_bad_input(
    pythia: Pythia, tmp_path: Path, lines: list[str], options: list[str], status: int, said: str
) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("\n".join(lines) + "\n")
    done = pythia("surprisal", path, *options, status=None)
    assert done.status == status, done
    assert said in done.err


def test_a_bad_item_becomes_a_row(pythia: Pythia) -> None:
    done = pythia("surprisal", "-", "--skip-errors", "--json", stdin=b"One\n\nTwo\n", status=2)
    found: list[dict[str, Any]] = done.records
    assert [row["word"] for row in found] == ["One", None, "Two"]
    assert "is empty" in found[1]["error"]
    assert "error" not in found[0]


def test_a_word_with_spaces_around_it_is_an_error(pythia: Pythia) -> None:
    run = ("surprisal", "-", "--input-format", "tsv", "--column", "w", "--group", "s")
    done = pythia(*run, stdin=b"s\tw\n1\ta\n1\t b\n", status=2)
    assert "line 3: expected a word without white space around it" in done.err


def test_a_bad_word_keeps_the_rows_of_its_text(pythia: Pythia) -> None:
    """So that rows of another table can stand beside them."""
    run = ("surprisal", "-", "--input-format", "csv", "--column", "w", "--group", "s")
    done = pythia(*run, "--skip-errors", stdin=b"s,w\n1,It\n1,\n1,was\n2,One\n", status=2)
    rows = rows_of(done.out)
    assert [row["item"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["w"] for row in rows] == ["It", "", "was", "One"]
    assert [bool(row["surprisal"]) for row in rows] == [False, False, False, True]


def test_a_resumed_run_does_not_forget_its_errors(pythia: Pythia, tmp_path: Path) -> None:
    path, out = tmp_path / "texts.txt", tmp_path / "out.tsv"
    path.write_text("\nOne\n")
    run = ("surprisal", path, "--skip-errors", "-o", out)
    pythia(*run, status=2)
    assert "1 rows have errors" in pythia(*run, "--resume", status=2).err


def test_one_file_is_no_two_inputs_and_no_output(pythia: Pythia, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("One\n")
    assert "is the same file as" in pythia("surprisal", path, path, status=2).err
    command = [*MODULE, "surprisal", str(path)]
    with path.open("a") as appended:
        done = subprocess.run(
            command, stdout=appended, stderr=subprocess.PIPE, text=True, check=False,
            env=pythia.environment(), timeout=120,
        )  # fmt: skip
    assert (done.returncode, path.read_text()) == (2, "One\n")
    assert "is standard output too" in done.stderr


def test_what_would_be_written_over_or_is_no_table(pythia: Pythia, tmp_path: Path) -> None:
    path = tmp_path / "texts.txt"
    path.write_text("One\n")
    mine = tmp_path / "out.tsv.meta.json"
    mine.write_text("mine")
    assert "is in the way" in pythia("surprisal", path, "-o", tmp_path / "out.tsv", status=2).err
    assert mine.read_text() == "mine"
    assert "'.xlsx'" in pythia("surprisal", path, "-o", tmp_path / "out.xlsx", status=2).err


def test_other_separators_are_no_column(pythia: Pythia, tmp_path: Path) -> None:
    path = tmp_path / "excel.csv"
    path.write_text("id;sentence\n1;One\n")
    assert "are ';' its separators?" in pythia("surprisal", path, status=2).err
