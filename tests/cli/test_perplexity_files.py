"""`pythia perplexity` with several checkpoints: texts are read once; results name their step."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.running import Pythia, error_line, without_model_lines

TEXT = b"It was a truth universally acknowledged."


def test_standard_input_is_read_once_for_all(in_own_store: Pythia) -> None:
    run = ("perplexity", "-", "-c", "512,0,main")
    records = in_own_store(*run, "--json", stdin=TEXT).records
    assert [record["step"] for record in records] == [0, 512, 3000]
    assert [record["file"] for record in records] == ["-"] * 3
    for record in records:
        alone = in_own_store("perplexity", "-", "-c", str(record["step"]), "--json", stdin=TEXT)
        for name, value in alone.record.items():
            assert "second" in name or record[name] == value
    lines = in_own_store(*run, stdin=TEXT).out.splitlines()
    assert [line.split(": ")[0] for line in lines] == ["-, step0", "-, step512", "-, step3000"]


def test_installed_steps_and_tokens(in_own_store: Pythia, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens.jsonl"
    in_own_store("perplexity", "-", "-c", "64", stdin=TEXT)
    run = ("perplexity", "-", "-c", "installed", "--per-token", tokens)
    done = in_own_store(*run, stdin=TEXT)
    assert len(done.out.splitlines()) == 2
    records = [json.loads(line) for line in tokens.read_text().splitlines()]
    n = len(records) // 2
    assert [record["step"] for record in records] == [64] * n + [3000] * n
    assert [record["position"] for record in records] == [*range(n), *range(n)]


def test_a_bad_file_is_said_once_and_gives_the_status(in_own_store: Pythia, tmp_path: Path) -> None:
    good, empty = tmp_path / "good.txt", tmp_path / "empty.txt"
    good.write_bytes(TEXT)
    empty.write_bytes(b"")
    run = ("perplexity", good, empty, tmp_path / "absent.txt", "-c", "log", "--json")
    done = in_own_store(*run, status=3)
    errors = [line for line in without_model_lines(done.err) if line.startswith("error: ")]
    assert len(errors) == 2
    assert [(record["step"], record["file"]) for record in done.records] == [
        (step, file)
        for step in (0, 64, 512)
        for file in (str(good), str(empty), str(tmp_path / "absent.txt"), None)
    ]
    assert ["error" in record for record in done.records] == [False, True, True, False] * 3
    assert all(len(record["failed"]) == 2 for record in done.records[3::4])
    lines = in_own_store(*run[:-1], status=3).out.splitlines()
    assert lines[1].startswith("total without 2 failed files, step0: perplexity ")


def test_one_bad_file_alone(in_own_store: Pythia) -> None:
    done = in_own_store("perplexity", "-", "-c", "0,main", status=None)
    assert error_line(done, 2).startswith("error: standard input: is empty")


@pytest.mark.parametrize("how", [["--show"], ["--html", "x.html"]])
def test_coloured_texts_are_of_one_checkpoint(pythia: Pythia, how: list[str]) -> None:
    done = pythia("perplexity", "-", "-c", "0,main", *how, status=None, stdin=TEXT)
    assert "--show and --html are for one checkpoint" in error_line(done, 2)


def test_a_checkpoint_that_is_not_installed_is_said_before_any_is_measured(
    in_own_store: Pythia,
) -> None:
    done = in_own_store("perplexity", "-", "-m", "pythia-70m", "-c", "0,main", status=None)
    assert "try: pythia download -m pythia-70m -c 0" in error_line(done, 3)


def test_a_set_of_one_step_is_as_that_step(in_own_store: Pythia) -> None:
    done = in_own_store("perplexity", "-", "-c", "installed", "--show", stdin=TEXT)
    assert done.out.splitlines()[-1].startswith("-: perplexity ")
