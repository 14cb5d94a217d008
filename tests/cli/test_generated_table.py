"""`pythia generate` over items: when it writes a table, what is in it, and how it is resumed."""

from __future__ import annotations

import json
import random
import signal
import sys
from pathlib import Path

import pytest

from tests.cli.running import Pythia, error_line, lines_of, together, without_model_lines
from tests.resuming import kill_and_resume

PROMPTS = [
    {"id": "a", "text": "old", "prompt": "It was\nnot"},
    {"id": "b", "text": "older", "prompt": "She had"},
]
LAYOUT = [
    "model", "step", "precision", "item", "id", "input_text", "sample", "text", "token_ids",
    "n_prompt_tokens", "n_prompt_tokens_cut", "finish_reason",
]  # fmt: skip
DRAW = ("--field", "prompt", "-n", "3")


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(json.dumps(prompt) + "\n" for prompt in PROMPTS))
    return path


def test_rows(pythia: Pythia, prompts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    run = ("generate", "--prompt-file", prompts, *DRAW, "--seed", "5", "--num-samples", "2")
    done = pythia(*run, "-o", out)
    assert (done.out, without_model_lines(done.err)) == ("", [f"wrote 4 rows to {out}"])
    rows = [json.loads(line) for line in lines_of(out.read_text())]
    assert [list(row) for row in rows] == [LAYOUT] * 4
    assert [(row["id"], row["sample"]) for row in rows] == [
        ("a", 0), ("a", 1), ("b", 0), ("b", 1),
    ]  # fmt: skip
    alone = pythia("generate", PROMPTS[1]["prompt"], "-n", "3", "--seed", "5", "--json").record
    assert rows[2]["token_ids"] == alone["token_ids"]
    assert rows[2]["text"] == alone["text"]
    assert rows[2]["input_text"] == "older"
    meta = json.loads((tmp_path / "out.jsonl.meta.json").read_text())["identity"]
    assert (meta["seed"], meta["max_tokens"], meta["temperature"]) == (5, 3, 1.0)
    assert pythia(*run, "--json").records == rows


def test_several_checkpoints(in_own_store: Pythia, prompts: Path) -> None:
    done = in_own_store(
        "generate", "--prompt-file", prompts, *DRAW, "--temp", "0", "-c", "0,main", "--json"
    )
    assert [(row["step"], row["id"]) for row in done.records] == [
        (0, "a"), (0, "b"), (3000, "a"), (3000, "b"),
    ]  # fmt: skip


def test_a_plain_file_is_a_table_only_if_that_is_asked_for(pythia: Pythia, tmp_path: Path) -> None:
    lines, ids = tmp_path / "lines.txt", tmp_path / "ids.jsonl"
    lines.write_text("It was\n\nShe had\n")
    ids.write_text("[5, 6]\n")
    one = ("-n", "1", "--temp", "0")
    table, plain, records, of_ids = together(
        lambda more=more: pythia("generate", "--prompt-file", *more, *one)
        for more in (
            [lines, "--format", "jsonl"],
            [lines],
            [lines, "--json"],
            [ids, "--ids", "--json"],
        )
    )
    assert [row["item"] for row in table.records] == [1, 2, 3]
    assert list(table.records[0])[3:6] == ["item", "sample", "text"]
    assert plain.out == "".join(record["text"] + "\n" for record in records.records)
    assert [record["prompt"] for record in records.records] == ["It was", "", "She had"]
    assert of_ids.record["prompt_token_ids"] == [5, 6]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["Call me", "-o", "x.tsv"], "a table needs prompts from a file; try: --prompt-file FILE"),
        (["--resume", "-o", "x.tsv"], "a table needs prompts from a file"),
        (["--prompt-file", "a.jsonl", "--echo"], "--echo and a table exclude each other"),
        (["--prompt-file", "a.jsonl", "--no-stream"], "--no-stream and a table exclude"),
        (["--prompt-file", "a", "-o", "x.tsv", "--ids"], "--ids and a table exclude each other"),
        (
            ["--prompt-file", "a.csv", "--json", "--top-logprobs", "2"],
            "--top-logprobs and a table exclude each other; try: --prompt-file - < FILE",
        ),
        (["--prompt-file", "a.csv", "--resume"], "--resume needs the file that it goes on with"),
        (["--prompt-file", "a.csv", "-o", "b.csv", "--json"], "--json writes to stdout"),
        (["Call me", "-c", "0,main"], "-c 0,main names several checkpoints, which give a table"),
        (["--prompt-file", "a", "-c", "log"], "try: --prompt-file FILE --output FILE, or one step"),
        (["--prompt-file", "absent.csv"], "absent.csv"),
    ],
)
def test_refused(pythia: Pythia, arguments: list[str], says: str) -> None:
    assert says in error_line(pythia("generate", *arguments, status=None), _status(arguments))


def _status(arguments: list[str]) -> int:
    return 3 if "absent.csv" in arguments else 2


def test_a_bad_item_names_its_line(pythia: Pythia, eval_text: str, tmp_path: Path) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "out.tsv"
    long = json.dumps({"prompt": eval_text[:6000]})
    path.write_text(f'{{"prompt": "It"}}\n{long}\n{{"prompt": 3}}\n{{"prompt": "She"}}\n')
    run = ("generate", "--prompt-file", path, *DRAW, "-o", out)
    done = pythia(*run, status=2)
    (error,) = without_model_lines(done.err)
    assert error.startswith(f"error: {path}, line 2: the prompt has ")
    assert error.endswith("; or add --skip-errors --resume to leave it out")
    assert "--truncate-prompt" in error
    pythia(*run, "--skip-errors", "--resume", status=2)
    head, *rows = [row.split("\t") for row in lines_of(out.read_text())]
    assert [row[head.index("item")] for row in rows] == ["1", "2", "3", "4"]
    assert [bool(row[head.index("error")]) for row in rows] == [False, True, True, False]


def test_a_random_seed_is_kept_by_resume(pythia: Pythia, tmp_path: Path) -> None:
    path, out = tmp_path / "a.jsonl", tmp_path / "out.jsonl"
    path.write_text('{"prompt": "It"}\n{"prompt": 3}\n{"prompt": "She"}\n')
    run = ("generate", "--prompt-file", path, *DRAW)
    pythia(*run, "-o", out, status=2)
    saved = json.loads((tmp_path / "out.jsonl.partial.json").read_text())
    seed = saved["identity"]["seed"]
    assert "try: --resume, to go on" in pythia(*run, "-o", out, status=2).err
    other = pythia(*run, "-o", out, "--resume", "--seed", str(seed + 1), status=2)
    assert "made with another seed" in other.err
    done = pythia(*run, "-o", out, "--resume", "--skip-errors", "-v", status=2)
    assert f"seed {seed}" in done.err.splitlines()
    same = tmp_path / "same.jsonl"
    pythia(*run, "-o", same, "--seed", str(seed), "--skip-errors", status=2)
    assert same.read_bytes() == out.read_bytes()
    path.write_text(path.read_text() + '{"prompt": "He"}\n')
    pythia(*run, "-o", out, "--resume", "--skip-errors", status=2)
    assert len(lines_of(out.read_text())) == 4
    fresh = pythia(*run, "-o", out, "--skip-errors", "-v", status=2)
    assert f"seed {seed}" not in fresh.err.splitlines()


def test_greedy_tables_have_no_seed(pythia: Pythia, prompts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.tsv"
    run = ("generate", "--prompt-file", prompts, *DRAW, "--temp", "0", "-o", out)
    pythia(*run)
    assert json.loads((tmp_path / "out.tsv.meta.json").read_text())["identity"]["seed"] is None
    assert f"nothing was left to do for {out}" in pythia(*run, "--resume", "--seed", "3").err


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason=f"kills, on {sys.platform}")
def test_killed_at_random_and_resumed(in_own_store: Pythia, tmp_path: Path) -> None:
    """A small version of bench/resumed_prompts.py."""
    folder = tmp_path / "killed"
    folder.mkdir()
    found = kill_and_resume(in_own_store, folder, 400, 3, random.Random(2))
    assert found["n_killed"] == 3
