"""`pythia lens`: rows, the drawing, the page, files of texts, and bad input."""

from __future__ import annotations

import csv
import io
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pythia_cli
from pythia_cli.measures.lens_items import LENS_COLUMNS
from tests.cli.running import Pythia, Result, error_line, without_model_lines
from tests.cli.screens import screen_of
from tests.golden_inside import TUNED_LENS

TEXT = "It was not a small one"
LENS = ("lens", "-m", "demo")
USAGE, NOT_FOUND, INTEGRITY, RESOURCE = 2, 3, 6, 7


def rows_of(text: str, delimiter: str = "\t") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), delimiter=delimiter))


@pytest.fixture(scope="module")
def records(pythia: Pythia) -> list[dict[str, Any]]:
    return pythia(*LENS, TEXT, "--json").records


def test_json_is_what_the_library_gives(records: list[dict[str, Any]]) -> None:
    with pythia_cli.load("demo", n_threads=1) as model:
        rows = model.lens([TEXT])
    for record, row in zip(records, rows, strict=True):
        assert record == {name: row[name] for name in record}
        assert record.keys() == {"model", "step", "precision", "item", *LENS_COLUMNS}


def test_a_pipe_gets_tsv(pythia: Pythia, records: list[dict[str, Any]]) -> None:
    rows = rows_of(pythia(*LENS, TEXT).out)
    assert [float(row["kl"]) for row in rows] == [record["kl"] for record in records]
    assert [json.loads(row["top_tokens"]) for row in rows] == [r["top_tokens"] for r in records]
    assert {row["nll"] for row in rows if row["target"] == ""} == {""}


def test_a_pipe_has_no_colours(pythia: Pythia) -> None:
    done = pythia(*LENS, TEXT, "--shade", "kl")
    assert len(rows_of(done.out)) == 7 * 6
    assert without_model_lines(done.err) == [
        "--shade colours what is drawn in a terminal; this is a table"
    ]


def test_a_file_whole_by_its_suffix(
    pythia: Pythia, records: list[dict[str, Any]], tmp_path: Path
) -> None:
    path = tmp_path / "out.jsonl"
    done = pythia(*LENS, TEXT, "-o", path)
    assert done.out == ""
    assert [json.loads(line) for line in path.read_text().splitlines()] == records
    meta = json.loads((tmp_path / "out.jsonl.meta.json").read_text())
    assert meta["identity"]["measure"] == "lens"
    assert meta["identity"]["tuned_sha256"] is None


@pytest.mark.parametrize("argument", [(), ("-",)])
def test_standard_input(
    pythia: Pythia, records: list[dict[str, Any]], argument: tuple[str, ...]
) -> None:
    """The line end that echo adds is none of the text."""
    assert pythia(*LENS, *argument, "--json", stdin=f"{TEXT}\n".encode()).records == records


def test_a_text_is_not_joined_with_standard_input(
    pythia: Pythia, records: list[dict[str, Any]]
) -> None:
    assert pythia(*LENS, TEXT, "--json", stdin=b"something else").records == records


def test_options_of_the_lens(pythia: Pythia, records: list[dict[str, Any]]) -> None:
    found = pythia(*LENS, TEXT, "--top", "2", "--positions", "-1,0", "--bos", "--json").records
    assert [row["position"] for row in found] == [6, 0] * 7
    assert found[1]["token"] == "<|endoftext|>"
    assert found[1]["target"] == "It"
    assert {len(row["top_ids"]) for row in found} == {2}
    tuned = pythia(*LENS, TEXT, "--tuned", TUNED_LENS, "--json")
    assert without_model_lines(tuned.err) == []
    kl = np.array([row["kl"] for row in tuned.records]).reshape(7, -1)
    plain = np.array([row["kl"] for row in records]).reshape(7, -1)
    assert (kl[:6] != plain[:6]).all()
    assert np.array_equal(kl[6], plain[6])


def test_float32_and_fast(pythia: Pythia, records: list[dict[str, Any]]) -> None:
    for how in (("--dtype", "float32"), ("--precision", "fast")):
        found = pythia(*LENS, TEXT, "--json", *how).records
        assert {row["precision"] for row in found} == {how[1]}
        for ours, theirs in zip(found, records, strict=True):
            assert ours["entropy"] == pytest.approx(theirs["entropy"], abs=0.2)
            assert (ours["nll"] is None) == (theirs["nll"] is None)


def test_several_checkpoints(in_own_store: Pythia) -> None:
    found = in_own_store(*LENS, TEXT, "-c", "512,3000", "--positions", "0", "--json").records
    assert [row["step"] for row in found] == [512] * 7 + [3000] * 7


def test_files_of_texts(pythia: Pythia, records: list[dict[str, Any]], tmp_path: Path) -> None:
    path = tmp_path / "stimuli.tsv"
    path.write_text(f"id\tsentence\na\t{TEXT}\nb\t\nc\tIt\n")
    run = (*LENS, "--file", path, "--column", "sentence", "--skip-errors")
    done = pythia(*run, status=USAGE)
    rows = rows_of(done.out)
    assert [row["id"] for row in rows] == ["a"] * len(records) + ["b"] + ["c"] * 7
    assert [float(row["kl"]) for row in rows[: len(records)]] == [r["kl"] for r in records]
    assert "sentence" not in rows[0]
    assert "stimuli.tsv, line 3" in done.err
    other = tmp_path / "other.txt"
    other.write_text("One\n")
    rows = rows_of(pythia(*LENS, "--file", path, "--file", other, "--skip-errors",
                          "--column", "sentence", status=None).out)  # fmt: skip
    assert rows == []  # the other one has no such column


def test_a_run_is_resumed(pythia: Pythia, tmp_path: Path) -> None:
    path, out = tmp_path / "texts.txt", tmp_path / "out.tsv"
    path.write_text("It was\n\nOne\n")
    run = (*LENS, "--file", path, "-o", out)
    pythia(*run, status=USAGE)
    assert not out.exists()
    error = error_line(pythia(*run, "--resume", "--top", "3", "--skip-errors", status=None), USAGE)
    assert "top" in error
    pythia(*run, "--resume", "--skip-errors", status=USAGE)
    assert [row["item"] for row in rows_of(out.read_text())] == ["1"] * 14 + ["2"] + ["3"] * 7


def test_a_page_alone_and_beside_rows(pythia: Pythia, tmp_path: Path) -> None:
    page = tmp_path / "lens.html"
    done = pythia(*LENS, TEXT, "--page", page)
    assert done.out == ""
    assert without_model_lines(done.err) == [f"wrote {page}"]
    assert "<h1>Logit lens: demo step3000</h1>" in page.read_text()
    assert pythia(*LENS, TEXT, "--page", "-").out == page.read_text()
    second = tmp_path / "second.html"
    done = pythia(*LENS, TEXT, "--page", second, "--json", "--shade", "nll")
    assert len(done.records) == 7 * 6
    assert '"shade":"nll"' in second.read_text()


def test_drawn_in_a_terminal(pythia: Pythia) -> None:
    lines = screen_of(pythia, *LENS, TEXT, "-q", "--shade", "entropy", columns=80)
    assert lines[0].split() == [
        "next",
        "\u00b7was",
        "\u00b7not",
        "\u00b7a",
        "\u00b7small",
        "\u00b7one",
    ]
    assert lines[8].split()[:3] == ["token", "It", "\u00b7was"]
    assert lines[10].startswith("entropy, in nats: less than 1")


def test_no_torch_in_int8(pythia: Pythia) -> None:
    script = (
        "import sys; from pythia_cli.cli import app; app.run(sys.argv[1:]);"
        " assert not {'torch', 'numba', 'pandas'} & set(sys.modules)"
    )
    done = pythia(*LENS, TEXT, "--tuned", TUNED_LENS, command=(sys.executable, "-c", script))
    assert rows_of(done.out)


BAD: tuple[tuple[tuple[str, ...], int, str], ...] = (
    ((), USAGE, 'there is no text; try: pythia lens "The capital of France is"'),
    (("",), USAGE, "TEXT: is empty"),
    (("It was " * 400,), USAGE, "TEXT: has 801 tokens; the context of the model holds 512; try:"),
    (("It", "--top", "5000"), USAGE, "--top is 5000; expected a whole number, 1 to 4096"),
    (("It", "--positions", "a"), USAGE, "--positions is 'a'; expected whole numbers"),
    (("It", "--positions", "3"), USAGE, "TEXT: has no position 3; expected -1 to 0, as it has 1"),
    (("It", "--tuned", "nowhere"), NOT_FOUND, "nowhere does not exist"),
    (("It", "--tuned", "."), USAGE, "is no folder of a tuned lens: it has no params.pt"),
    (("It", "--tuned", "damaged.pt"), INTEGRITY, "damaged.pt: not a whole PyTorch checkpoint"),
    (("It", "--tuned", "wide"), USAGE, "d_model is 256; expected 128, as in the model; try: "),
    (("It", "--file", "texts.txt"), USAGE, "give a TEXT or --file, not both"),
    (("--file", "none.txt"), NOT_FOUND, "none.txt does not exist"),
    (("--file", "texts.txt", "--page", "a.html"), USAGE, "--page is for one TEXT"),
    (("--file", "texts.txt", "--shade", "kl"), USAGE, "--shade is for one TEXT"),
    (("It", "--column", "a"), USAGE, "--column is for the texts of files; try: --file FILE"),
    (("It", "--skip-errors"), USAGE, "--skip-errors is for the texts of files"),
    (("It", "--shade", "kl", "--json"), USAGE, "--shade colours what is drawn, and these are rows"),
    (("It", "--page", "-", "--json"), USAGE, "only one of the rows and --page -"),
    (("It", "--page", "a.html", "-o", "a.html"), USAGE, "a.html: is to be written twice"),
    (("It", "--page", "nowhere/a.html"), RESOURCE, "cannot be written"),
    (("It", "--page", "a.html", "-c", "64,3000"), USAGE, "of one checkpoint; try: --output FILE"),
    (("It", "--resume"), USAGE, "--resume needs the file that it goes on with"),
)  # fmt: skip


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lens")
    (folder / "texts.txt").write_text("It was\n")
    (folder / "damaged.pt").write_bytes(b"PK\x03\x04")
    shutil.copytree(TUNED_LENS, folder / "wide")
    config = json.loads((TUNED_LENS / "config.json").read_text())
    (folder / "wide/config.json").write_text(json.dumps({**config, "d_model": 256}))
    return folder


@pytest.mark.parametrize(("arguments", "status", "reason"), BAD, ids=[b[2][:30] for b in BAD])
def test_bad_input(
    pythia: Pythia, place: Path, arguments: tuple[str, ...], status: int, reason: str
) -> None:
    before = sorted(place.rglob("*"))
    done: Result = pythia(*LENS, *arguments, cwd=place, status=None)
    assert reason in error_line(done, status)
    assert sorted(place.rglob("*")) == before


def test_a_page_is_kept_if_the_next_one_fails(pythia: Pythia, tmp_path: Path) -> None:
    page = tmp_path / "lens.html"
    page.write_text("before")
    pythia(*LENS, "It was " * 400, "--page", page, status=USAGE)
    assert page.read_text() == "before"
