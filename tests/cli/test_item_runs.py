"""Commands that measure items, from the shell: streams, checkpoints, interrupts, resuming."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.files.locks import lock
from tests.cli.length import COMMAND
from tests.cli.running import Pythia, without_model_lines

ROOT = Path(__file__).resolve().parent.parent.parent
INTERRUPTED, BROKEN_PIPE, LOCKED, USAGE = 130, 141, 8, 2
Length = Callable[..., Any]
TSV = "id\tsentence\tn_tokens\na\tone two\t9\nb\tthree\t9\n"


@pytest.fixture
def length(in_own_store: Pythia, tmp_path: Path) -> Length:
    """`pythia length` with the demo, in a folder of the test's own."""

    def run(*arguments: str | Path, start: bool = False, **more: Any) -> Any:
        env = {"PYTHONPATH": str(ROOT), **more.pop("env", {})}
        command = [*map(str, arguments), "-m", "demo"]
        if not start:
            return in_own_store(*command, command=COMMAND, cwd=tmp_path, env=env, **more)
        return subprocess.Popen(
            [*COMMAND, *command],
            cwd=tmp_path,
            env=in_own_store.environment(**env),
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            **more,
        )

    return run


def test_a_table_on_stdout(length: Length, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(TSV)
    done = length("a.tsv", "--column", "sentence", "-c", "64,main")
    assert done.out == (
        "model\tstep\tprecision\titem\tid\tinput_n_tokens\tn_tokens\terror\n"
        "demo\t64\texact\t1\ta\t9\t2\t\ndemo\t64\texact\t2\tb\t9\t2\t\n"
        "demo\t3000\texact\t1\ta\t9\t2\t\ndemo\t3000\texact\t2\tb\t9\t2\t\n"
    )
    assert without_model_lines(done.err) == []
    records = length("-", "--json", "--input-format", "csv", stdin=b"text,id\nx,1\n").records
    identity = {"model": "demo", "step": 3000, "precision": "exact"}
    assert records == [{**identity, "item": 1, "id": "1", "n_tokens": 1}]
    assert length("-", "-0", "--json", stdin=b"a\nb\0c\0").out.count("\n") == 2
    assert length("a.tsv", "--field", "sentence", "-q").err == ""


def test_a_pipe_is_read_once_for_all_checkpoints(length: Length) -> None:
    records = length("-", "-c", "log", "--json", stdin=b"one\ntwo\n").records
    assert [(record["step"], record["item"]) for record in records] == [
        (0, 1), (0, 2), (64, 1), (64, 2), (512, 1), (512, 2),
    ]  # fmt: skip
    installed = length("-", "-c", "installed", "--json", stdin=b"one\n").records
    assert [record["step"] for record in installed] == [0, 64, 512, 3000]


@pytest.mark.parametrize("name", ["out.tsv", "out.csv", "out.jsonl", "out.parquet"])
def test_a_file(length: Length, tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow")
    (tmp_path / "a.tsv").write_text(TSV)
    done = length("a.tsv", "--column", "sentence", "-o", name)
    assert without_model_lines(done.err) == [f"wrote 2 rows to {name}"]
    assert done.out == ""
    assert {path.name for path in tmp_path.glob("out*")} == {name, f"{name}.meta.json"}
    meta = json.loads((tmp_path / f"{name}.meta.json").read_text())
    assert meta["identity"]["command"] == "length"
    assert meta["checkpoints"][0]["provenance"]["model"] == "demo"
    again = length("a.tsv", "--column", "sentence", "-o", name, "--resume")
    assert without_model_lines(again.err) == [f"nothing was left to do for {name}"]


def test_several_files(length: Length, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "b.jsonl").write_text('{"text": "b"}\n{"text": 3}\n')
    done = length("a.jsonl", "b.jsonl", "--json", "--skip-errors", status=USAGE)
    assert [(record["file"], record["item"]) for record in done.records] == [
        ("a.jsonl", 1), ("b.jsonl", 2), ("b.jsonl", 3),
    ]  # fmt: skip
    (error,) = without_model_lines(done.err)
    assert error.startswith("error: b.jsonl, line 2: field 'text' is a number")


def test_errors_are_printed_once_and_not_by_the_thousand(length: Length, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n" * 30 + "one\n")
    done = length("a.txt", "--skip-errors", "-c", "64,512", status=USAGE)
    lines = without_model_lines(done.err)
    assert lines[:2] == ["error: a.txt, line 1: is empty", "error: a.txt, line 2: is empty"]
    assert lines[10:] == ["30 items failed in all; column error says why"]
    assert len(done.out.splitlines()) == 63
    (tmp_path / "a.txt").write_text("\n" * 6 + "one\n")
    done = length("a.txt", "--skip-errors", "-c", "64,512", status=USAGE)
    assert len(without_model_lines(done.err)) == 6  # all are printed: no count of them


def test_the_hint_is_what_goes_on(length: Length, tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text(TSV + "c\n" + "d\tfour\t9\n")
    command = ("a.tsv", "--column", "sentence", "-o", "out.tsv")
    done = length(*command, status=USAGE)
    (error,) = without_model_lines(done.err)
    assert error.endswith("has 1 cell, where the header has 3; try: add --skip-errors --resume to"
                          " leave it out")  # fmt: skip
    again = length(*command, status=USAGE)
    assert "an earlier run ended after 2 items" in again.err
    assert "try: --resume, to go on, or remove" in again.err
    length(*command, "--skip-errors", "--resume", status=USAGE)
    rows = (tmp_path / "out.tsv").read_text().splitlines()
    assert [row.split("\t")[3:5] for row in rows[1:]] == [
        ["1", "a"], ["2", "b"], ["3", ""], ["4", "d"],
    ]  # fmt: skip


def test_a_second_process_is_told_at_once(length: Length, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n")
    with lock(tmp_path / "out.tsv.partial.lock", "out", 0):
        done = length("a.txt", "-o", "out.tsv", status=LOCKED)
    (error,) = without_model_lines(done.err)
    assert error.endswith("after 0 s; try again when the other process is done")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_killed_at_random_and_resumed(length: Length, tmp_path: Path) -> None:
    """5,000 prompts with line ends, by 5 kills and 5 interrupts: the same bytes, each id once."""
    lines = [json.dumps({"id": i, "text": f"one\ntwo {i}"}) for i in range(5_000)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    length("a.jsonl", "-o", "whole.tsv", "-c", "64,512")
    command = ("a.jsonl", "-o", "out.tsv", "-c", "64,512", "--resume", "--seconds", "0.3")
    draw, n_early = random.Random(3), 0
    for kind in [signal.SIGKILL, signal.SIGINT] * 5:
        process = length(*command, start=True)
        time.sleep(draw.uniform(0.5, 4))
        process.send_signal(kind)
        _, err = process.communicate()
        n_early += process.returncode != 0
        if kind == signal.SIGINT and process.returncode:
            assert process.returncode in (INTERRUPTED, -signal.SIGINT), err
    assert n_early >= 3
    length("a.jsonl", "-o", "out.tsv", "-c", "64,512", "--resume")
    assert (tmp_path / "out.tsv").read_bytes() == (tmp_path / "whole.tsv").read_bytes()
    assert {path.name for path in tmp_path.glob("*out.tsv*")} == {"out.tsv", "out.tsv.meta.json"}


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupt_keeps_what_is_done(length: Length, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n" * 5_000)
    process = length("a.txt", "-o", "out.tsv", "--seconds", "0.5", start=True)
    saved = tmp_path / "out.tsv.partial.json"
    while not (saved.exists() and _n_items(saved)):
        assert process.poll() is None
        time.sleep(0.05)
    begun = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.communicate()
    assert process.returncode == INTERRUPTED
    assert time.monotonic() - begun < 5
    partial = tmp_path / "out.tsv.partial"
    assert json.loads(saved.read_text())["n_bytes"] == partial.stat().st_size
    assert partial.read_text().count("\n") == _n_items(saved) + 1


def _n_items(saved: Path) -> int:
    """How many items a run has measured, by what it saved."""
    return sum(entry["n_items"] for entry in json.loads(saved.read_text())["checkpoints"])


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
def test_a_reader_that_leaves(length: Length, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("one\n" * 20_000)
    process = length("a.txt", start=True)
    assert process.stdout.readline().startswith(b"model\t")
    process.stdout.close()
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait() == BROKEN_PIPE
    assert without_model_lines(err.decode()) == []


def test_help_is_light(length: Length) -> None:
    heavy = ("numpy", "pyarrow", "pandas", "tokenizers", "csv")
    driver = (
        sys.executable,
        "-c",
        "import sys; from tests.cli import length; length.register(); sys.argv[0] = 'pythia';"
        " from pythia_cli.cli.app import run; status = run(sys.argv[1:]);"
        f" print(*[name for name in {heavy} if name in sys.modules], file=sys.stderr)",
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*driver, "length", "--help"], env=env, capture_output=True, text=True, check=True
    )
    assert "--skip-errors" in done.stdout
    assert done.stderr == "\n"
