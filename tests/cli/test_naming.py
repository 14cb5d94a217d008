"""How a checkpoint is named on the command line, and what is said of the one that runs."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from tests.cli.running import Pythia, error_line

HINT = "to use pythia-410m: pythia download"


def test_a_model_and_its_step_in_one_word(in_own_store: Pythia) -> None:
    named = in_own_store("generate", "hi", "-n", "1", "-m", "demo@512", "--json").record
    assert (named["model"], named["checkpoint"]) == ("demo", "step512")
    listed = in_own_store("checkpoint", "list").out.split()
    assert (
        in_own_store("perplexity", "-", "-m", "demo@512", "--json", stdin=b"Call me").record[
            "checkpoint"
        ]
        == "step512"
    )
    assert "demo@512" in listed
    in_own_store("checkpoint", "use", "demo@512")
    in_own_store("checkpoint", "use", "-m", "demo@64")
    assert in_own_store("checkpoint", "current").out == "demo@64\n"
    in_own_store("checkpoint", "verify", "-m", "demo@512")
    in_own_store("checkpoint", "remove", "-m", "demo@512", "--yes")
    assert "demo@512" not in in_own_store("checkpoint", "list").out


def test_the_hubs_name_is_understood(pythia: Pythia) -> None:
    line = error_line(pythia("generate", "hi", "-m", "EleutherAI/pythia-410m@3000", status=None), 3)
    assert line == (
        "error: pythia-410m step3000 is not installed; try: pythia download -m pythia-410m -c 3000"
    )
    shown = pythia("checkpoint", "list", "--available", "-m", "EleutherAI/pythia-70m", "--json")
    assert len(shown.records) == 154


def test_two_steps_are_refused(pythia: Pythia) -> None:
    for arguments in (
        ("generate", "hi", "-c", "64", "-c", "512"),
        ("generate", "hi", "-m", "demo", "-m", "demo"),
        ("perplexity", "-", "--checkpoint", "64", "-c", "512"),
        ("bench", "-c", "64", "-c", "64"),
        ("checkpoint", "use", "64", "-m", "demo", "--model", "demo"),
    ):
        assert "was given twice; give it once" in error_line(pythia(*arguments, status=None), 2)
    line = error_line(pythia("generate", "hi", "-m", "demo@64", "-c", "512", status=None), 2)
    assert "names one step and '512' another" in line


def test_use_wants_one_step(pythia: Pythia) -> None:
    for words in ((), ("-m", "demo"), ("512", "-m", "demo@512"), ("demo@512", "-m", "demo")):
        assert "name one step" in error_line(pythia("checkpoint", "use", *words, status=None), 2)


def test_what_is_missing_in_a_name(pythia: Pythia) -> None:
    for name in ("@512", "demo@"):
        assert "MODEL@STEP" in error_line(pythia("generate", "hi", "-m", name, status=None), 2)


def test_the_demos_hint_comes_once_a_day(pythia: Pythia, tmp_path: Path) -> None:
    """In the cache of compiled kernels, linked here, as compiling takes long."""
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "kernels").symlink_to(pythia.cache / "kernels")
    own = replace(pythia, cache=cache)
    run = ("generate", "hi", "-n", "1")
    assert HINT in own(*run).err
    assert HINT not in own(*run).err
    mark = cache / "demo-hint"
    yesterday = mark.stat().st_mtime - 90_000
    os.utime(mark, (yesterday, yesterday))
    assert HINT not in own(*run, "-q").err
    assert HINT in own(*run).err
