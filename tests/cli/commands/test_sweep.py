"""`pythia sweep`, its status and its table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.running import Pythia, error_line
from tests.sweeping import write_inputs


@pytest.fixture
def own(in_own_store: Pythia, tmp_path: Path) -> Pythia:
    """The command in a folder with text.txt, pairs.jsonl and words.tsv."""
    folder = tmp_path / "here"
    folder.mkdir()
    write_inputs(folder, 4)
    return replace(in_own_store, folder=folder)


def test_a_sweep_from_its_first_cell_to_its_table(own: Pythia) -> None:
    measures = ("--pairs", "pairs.jsonl", "--surprisal", "words.tsv", "--set", "surprisal.base=10")
    planned = own("sweep", "out", "-m", "demo@64,3000", *measures, "--dry-run")
    assert planned.out.splitlines() == [
        "2 checkpoints, 4 cells, 0 of them done",
        "nothing to fetch",
        "time: not known before a cell is done",
    ]
    assert not (own.folder / "out").exists()
    done = own("sweep", "out", "-m", "demo@64,3000", *measures)
    assert done.out == "4 of 4 cells done: out/table.csv\n"
    again = own("sweep", "out", "--json")
    assert (again.record["done"], again.record["failed"]) == (4, 0)
    shown = own("sweep", "status", "out").out.splitlines()
    assert shown[1].split() == ["demo", "64,3000", "#", "#"]
    assert shown[2].startswith("4 of 4 cells done; ")
    rows = own("sweep", "table", "out", "--json").records
    assert {row["figure"] for row in rows if row["measure"] == "surprisal"} == {
        "surprisal",
        "surprisal_uncorrected",
        "entropy",
    }
    assert own("sweep", "table", "out").out.startswith("model\tstep\ttokens_seen\tprecision\t")
    written = own("sweep", "table", "out", "-o", "t.jsonl")
    assert "wrote" in written.err
    lines = (own.folder / "t.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == rows


def test_what_fails_gives_the_status(own: Pythia) -> None:
    bad = own.folder / "bad.jsonl"
    bad.write_text('{"sentence_good": "a", "sentence_bad": "b"}\n{"sentence_good": "a"}\n')
    command = ("sweep", "out", "-m", "demo", "--pairs", "pairs.jsonl", "bad.jsonl")
    done = own(*command, status=2)
    assert "has no field 'sentence_bad'" in done.err
    assert done.out.startswith("1 of 2 cells done, 1 failed")
    again = own(*command, status=2)
    assert "some failed earlier: pythia sweep out --retry" in again.err
    shown = own("sweep", "status", "out").out
    assert "failed: pairs of bad.jsonl at demo@3000: " in shown
    bad.write_text('{"sentence_good": "a", "sentence_bad": "b"}\n')
    assert own(*command).out.startswith("2 of 2 cells done")


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("out",), 3, "out holds no sweep"),
        (("status", "nowhere"), 3, "nowhere holds no sweep"),
        (("table", "nowhere"), 3, "nowhere holds no sweep"),
        (("out", "-c", "64"), 2, "--checkpoint without a measure"),
        (("out", "--pairs", "gone.jsonl"), 3, "gone.jsonl does not exist"),
        (("out", "--pairs", "*.gone"), 3, "no file matches '*.gone'"),
        (("out", "--pairs", "text.txt"), 2, "sentence_good"),
        (("out", "--pairs", "."), 2, "is no file"),
        (("out", "--set", "pairs.good=x", "--perplexity", "text.txt"), 2, "that is not taken"),
        (("out", "--set", "good", "--pairs", "pairs.jsonl"), 2, "sets no option of a measure"),
        (("out", "--set", "pairs.god=x", "--pairs", "pairs.jsonl"), 3, "did you mean good?"),
        (("out", "--pairs", "pairs.jsonl", "--shard", "3/2"), 2, "no share of the checkpoints"),
        (("out", "--pairs", "pairs.jsonl", "--keep-under", "lots"), 2, "is not a size"),
        (("out", "--plan", "gone.toml"), 3, "gone.toml does not exist"),
        (("out", "--plan", "text.txt"), 2, "is not TOML"),
        (("out", "--plan", "text.txt", "--pairs", "pairs.jsonl"), 2, "exclude each other"),
        (("out", "-m", "demmo", "--pairs", "pairs.jsonl"), 3, "demmo"),
        (("out", "--eval", "no_such_task"), 3, "no_such_task"),
        (("table", "text.txt"), 3, "holds no sweep"),
        (("out", "--dtype", "float32"), 2, "--dtype without a measure"),
        (("out", "--dtype", "int8"), 2, "--dtype without a measure"),
        (("out", "--plain-text"), 2, "--plain-text without a measure"),
        (("a b", "--precision", "fast"), 2, "try: pythia sweep 'a b' --precision"),
        (("out", "--plan", "text.txt", "--precision", "fast"), 2, "exclude each other"),
        (("out", "--pairs", ""), 2, "the name of an input: is empty"),
        (("out", "--surprisal", "stim.tsv"), 2, "try: --set surprisal.column=NAME"),
        (("out", "--choices", "texts.tsv"), 2, "try: --set choices.context="),
        (("out", "--plan", "plan.toml"), 2, "try: column = 'NAME' in plan.toml"),
        (("statsu", "r1"), 2, "did you mean status?; try: pythia sweep status r1"),
        (("runs", "-m", "demo"), 2, "--model without a measure"),
        (("plot", "out"), 3, "holds no sweep"),
    ],
)
def test_bad_input(own: Pythia, arguments: tuple[str, ...], status: int, says: str) -> None:
    (own.folder / "stim.tsv").write_text("sentence\tk\nThe dogs bark.\t1\n")
    (own.folder / "texts.tsv").write_text("contexts\tk\nThe dogs bark.\t1\n")
    (own.folder / "plan.toml").write_text(
        'models = "demo"\n[[measures]]\nmeasure = "surprisal"\ninputs = "stim.tsv"\n'
    )
    done = own("sweep", *arguments, status=None)
    assert says in error_line(done, status)


def test_options_are_kept_for_going_on(own: Pythia) -> None:
    (own.folder / "plans").mkdir()
    (own.folder / "plans" / "plan.toml").write_text(
        'models = "demo@64"\ncertify = "../text.txt"\nkeep_under = "3GB"\n'
        '[[measures]]\nmeasure = "perplexity"\ninputs = "../text.txt"\n'
    )
    kept = own.folder / "out" / "how.json"

    def read() -> list[str | None]:
        found = json.loads(kept.read_text())
        return [found["keep_under"], found["certify"] and Path(found["certify"]).name]

    own("sweep", "out", "--plan", "plans/plan.toml", "--dry-run")
    assert not kept.exists()
    own("sweep", "out", "--plan", "plans/plan.toml")
    assert read() == ["3GB", "text.txt"]
    assert Path(json.loads(kept.read_text())["certify"]).is_absolute()
    own("sweep", "out", "--keep-under", "5GB")
    assert read() == ["5GB", "text.txt"]
    own("sweep", "out")
    assert read() == ["5GB", "text.txt"]
    own("sweep", "out", "--keep-under", "lots", status=2)
    (own.folder / "text.txt").rename(own.folder / "gone.txt")
    assert "text.txt does not exist" in own("sweep", "out", status=3).err
    own("sweep", "out", "-m", "demo@64", "--perplexity", "gone.txt")
    assert read() == [None, None]


def test_kept_options_are_used(own: Pythia) -> None:
    own("sweep", "out", "-m", "demo@64", "--perplexity", "text.txt", "--keep-under", "1")
    (own.folder / "out" / "how.json").write_text('{"keep_under": "many"}')
    assert "'many' is not a size" in own("sweep", "out", status=2).err


def test_help_shows_the_commands(own: Pythia) -> None:
    shown = own("sweep", "--help").out
    assert all(name in shown for name in ("run", "status", "table", "plot"))
    assert own("sweep").out == shown
    assert "pythia sweep run --help" in " ".join(shown.split())
    assert "--keep-under" in own("sweep", "run", "--help").out
