"""`pythia eval`: the table, records, what an interrupted run leaves, and its errors."""

from __future__ import annotations

import csv
import importlib.util
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Pythia, error_line, without_model_lines
from tests.integrations.task_files import write_tasks

FIELDS = {
    "model", "checkpoint", "step", "tokens_seen", "source", "quantization", "tokenizer_sha256",
    "dtype", "precision", "plain_text", "item", "task", "subtask", "metric", "filter", "value",
    "stderr", "published", "published_stderr", "difference", "higher_is_better", "n_fewshot",
    "n_documents", "n_total", "task_version", "task_hash", "lm_eval",
}  # fmt: skip
WITHOUT_LM_EVAL = (
    sys.executable,
    "-c",
    "import sys; sys.modules['lm_eval'] = None; sys.argv[0] = 'pythia';"
    "from pythia_cli.cli.app import run; sys.exit(run(sys.argv[1:]))",
)
needs_lm_eval = pytest.mark.skipif(
    importlib.util.find_spec("lm_eval") is None,
    reason='needs lm-eval: pip install "pythia-cli[eval]"',
)


@pytest.fixture
def tasks(tmp_path: Path) -> Path:
    return write_tasks(tmp_path / "tasks")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@needs_lm_eval
def test_a_sweep_prints_nothing_of_lm_eval(in_own_store: Pythia, tasks: Path) -> None:
    command = ("sweep", tasks / "out", "-m", "demo@64", "--eval", "first", "shots", "--set",
               f"eval.include_path={tasks}")  # fmt: skip
    done = in_own_store(*command, "-q")
    assert (done.out, done.err) == (f"2 of 2 cells done: {tasks}/out/table.csv\n", "")


@needs_lm_eval
def test_the_table(in_own_store: Pythia, tasks: Path) -> None:
    done = in_own_store(
        "eval", "--tasks", "first,both", "--include-path", tasks, "-m", "demo", "-c", "64,3000"
    )
    lines = [line.split() for line in done.out.splitlines()]
    assert lines[0] == ["task", "step", "metric", "value", "stderr"]
    assert [line[:3] for line in lines[1:]] == [
        [task, step, "acc"]
        for step in ("64", "3000")
        for task in ("first", "both", "both/first", "both/second")
    ]
    assert without_model_lines(done.err) == []


@needs_lm_eval
def test_a_record(pythia: Pythia, tasks: Path) -> None:
    done = pythia("eval", "--tasks", "first", "--include-path", tasks, "--limit", "2", "--json")
    record = done.record
    assert set(record) == FIELDS
    assert (record["model"], record["step"], record["dtype"]) == ("demo", 3000, "int8")
    assert (record["task"], record["metric"], record["n_documents"]) == ("first", "acc", 2)
    assert record["source"]["sha256"]
    assert without_model_lines(done.err) == []


@needs_lm_eval
def test_what_lm_eval_says_is_a_detail(pythia: Pythia, tasks: Path) -> None:
    done = pythia("eval", "--tasks", "first", "--include-path", tasks, "-v", "--num-fewshot", "0")
    assert "demo@3000: first" in done.err
    assert "lm_eval: first: Custom kwargs" in done.err


@needs_lm_eval
def test_a_failure_keeps_what_is_finished_and_resume_goes_on(
    in_own_store: Pythia, tasks: Path, tmp_path: Path
) -> None:
    out, whole = tmp_path / "out.tsv", tmp_path / "whole.tsv"
    command = ("eval", "--tasks", "first,broken,second", "--include-path", tasks, "-m", "demo",
               "-c", "64,3000")  # fmt: skip
    done = in_own_store(*command, "-o", out, status=2)
    assert "task 'broken' fails (ValueError: this task is broken)" in done.err
    assert "add --skip-errors --resume to leave it out" in done.err
    assert not out.exists()
    assert len(rows(out.with_name("out.tsv.partial"))) == 1
    (tasks / "mended").touch()
    done = in_own_store(*command, "-o", out, "--resume")
    assert "wrote 5 rows" in done.err
    in_own_store(*command, "-o", whole)
    assert out.read_text() == whole.read_text()
    assert [(r["step"], r["task"]) for r in rows(out)] == [
        (step, task) for step in ("64", "3000") for task in ("first", "broken", "second")
    ]
    meta = json.loads(out.with_name("out.tsv.meta.json").read_text())
    assert [c["provenance"]["step"] for c in meta["checkpoints"]] == [64, 3000]
    # Other documents are another run.
    with (tasks / "documents.jsonl").open("a") as file:
        file.write('\n{"context": "It", "endings": ["was", "is"], "gold": 0}')
    done = in_own_store(*command, "-o", out, "--resume", status=2)
    assert "cannot be resumed: out.tsv was made with another tasks.first" in done.err


@needs_lm_eval
def test_without_a_file_a_failure_keeps_what_is_finished(pythia: Pythia, tasks: Path) -> None:
    command = ("eval", "--tasks", "first,broken,second", "--include-path", tasks)
    done = pythia(*command, status=2)
    assert [line.split()[0] for line in done.out.splitlines()] == ["task", "first"]
    assert "add --skip-errors to leave it out" in done.err
    done = pythia(*command, "--skip-errors", status=2)
    assert [line.split()[0] for line in done.out.splitlines()] == ["task", "first", "second"]


@needs_lm_eval
def test_an_interrupt(
    start: Callable[..., subprocess.Popen[bytes]], tasks: Path, tmp_path: Path
) -> None:
    """Within the second task: the first is kept."""
    documents = (tasks / "documents.jsonl").read_text()
    (tasks / "documents.jsonl").write_text("\n".join([documents] * 600))
    out = tmp_path / "out.tsv"
    process = start("eval", "--tasks", "first,second", "--include-path", tasks, "-o", out)
    partial = out.with_name("out.tsv.partial")
    deadline = time.monotonic() + 100
    while not (partial.exists() and partial.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert [row["task"] for row in rows(partial)] == ["first"]


@needs_lm_eval
@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--tasks", "first", "-c", "5"], 3, "unknown checkpoint of demo '5'; did you mean 0 or"),
        (["--tasks", "no_data"], 3, "the data of task 'no_data' cannot be found"),
        (["--tasks", "no_hub", "--offline"], 3,
         "the data of task 'no_hub' is not in the Hugging Face cache, and we are offline;"
         " try again with a network connection"),
        (["--tasks", ","], 2, "expected at least one name"),
        (["--tasks", "first", "-m", "pythia-14m"], 3, "pythia-14m step143000 is not installed"),
        (["--tasks", "first", "--include-path", "there"], 3, "there is not a folder of tasks"),
        (["--tasks", "first", "--resume"], 2, "--resume needs the file"),
        (["--tasks", "first", "--limit", "0"], 2, "--limit"),
    ],
)  # fmt: skip
def test_errors(
    pythia: Pythia, tasks: Path, tmp_path: Path, arguments: list[str], status: int, says: str
) -> None:
    if "--include-path" not in arguments:
        arguments = [*arguments, "--include-path", str(tasks)]
    env = {"HF_HOME": str(tmp_path / "hf")}
    assert says in error_line(pythia("eval", *arguments, status=None, env=env), status)


def test_without_lm_eval(pythia: Pythia) -> None:
    done = pythia("eval", "--tasks", "piqa", command=WITHOUT_LM_EVAL, status=None)
    line = error_line(done, 2)
    assert line == (
        "error: evaluation needs lm-eval, which is not installed; try: pip install"
        " 'pythia-cli[eval]'"
    )


def test_a_record_of_each_kind_is_known() -> None:
    """docs/output.md has the fields."""
    page = (Path(__file__).parents[3] / "docs/output.md").read_text()
    missing: Any = [field for field in FIELDS if f"`{field}`" not in page]
    assert not missing
