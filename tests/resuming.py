"""Kills `pythia generate -o` at random moments, resumes it, and compares with a run left alone."""

from __future__ import annotations

import json
import random
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.cli.running import Pythia, lines_of

_OUT = "killed.jsonl"


def kill_and_resume(
    pythia: Pythia, folder: Path, n_prompts: int, n_kills: int, draw: random.Random
) -> dict[str, Any]:
    """Generate from n_prompts prompts, with n_kills kills, and no seed given; what was done.

    Raises AssertionError unless the table is, byte for byte, that of one run with the same seed,
    with each id once.
    """
    _write_prompts(folder / "one.jsonl", 1)
    _write_prompts(folder / "all.jsonl", n_prompts)
    _run(pythia, folder, "one.jsonl", "compiled.tsv")  # kernels, the first time
    start_seconds = _run(pythia, folder, "one.jsonl", "one.tsv")
    seconds = _run(pythia, folder, "all.jsonl", "timed.jsonl", "--seed", "1")
    longest = start_seconds + 2 * max(seconds - start_seconds, 0) / n_kills
    resumed_from: list[int] = []
    n_killed = n_whole = 0
    while n_killed < n_kills:
        if (folder / _OUT).exists():  # the kill came too late
            _check(pythia, folder, n_prompts)
            n_whole += 1
        resumed_from.append(_n_done(folder))
        process = pythia.start(*_command(folder, "all.jsonl", _OUT, "--resume"))
        try:
            process.communicate(timeout=draw.uniform(0, longest))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            n_killed += 1
    _run(pythia, folder, "all.jsonl", _OUT, "--resume")
    _check(pythia, folder, n_prompts)
    return {"seconds": seconds, "n_killed": n_killed, "n_whole": n_whole, "items": resumed_from}


def _write_prompts(path: Path, n_prompts: int) -> None:
    """JSON lines with an id each; every prompt has a line end in it."""
    prompts = [{"id": f"p{i}", "prompt": f"It was {i}\nand {i % 7}"} for i in range(n_prompts)]
    path.write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))


def _command(folder: Path, prompts: str, out: str, *more: str) -> tuple[str | Path, ...]:
    files = ("--prompt-file", folder / prompts, "-o", folder / out)
    return ("generate", *files, "--field", "prompt", "-n", "3", "-q", *more)


def _run(pythia: Pythia, folder: Path, prompts: str, out: str, *more: str) -> float:
    """Run it to its end, which may take minutes; the seconds that took."""
    begun = time.perf_counter()
    process = pythia.start(*_command(folder, prompts, out, *more))
    _, err = process.communicate()
    assert process.returncode == 0, err
    return time.perf_counter() - begun


def _n_done(folder: Path) -> int:
    """Items of the unfinished table."""
    try:
        saved = json.loads((folder / f"{_OUT}.partial.json").read_text())
    except FileNotFoundError:
        return 0
    return sum(int(entry["n_items"]) for entry in saved["checkpoints"])


def _check(pythia: Pythia, folder: Path, n_prompts: int) -> None:
    """Compare the table with that of a run with its seed, and remove both."""
    out, whole = folder / _OUT, folder / "whole.jsonl"
    seed = json.loads((folder / f"{_OUT}.meta.json").read_text())["identity"]["seed"]
    _run(pythia, folder, "all.jsonl", whole.name, "--seed", str(seed))
    assert out.read_bytes() == whole.read_bytes()
    ids = [json.loads(line)["id"] for line in lines_of(out.read_text())]
    assert ids == [f"p{i}" for i in range(n_prompts)]
    left = {path.name for path in folder.glob(f"*{_OUT}*")}
    assert left == {_OUT, f"{_OUT}.meta.json"}
    for path in (out, whole):
        path.unlink()
        path.with_name(f"{path.name}.meta.json").unlink()
