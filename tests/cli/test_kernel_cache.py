"""Compiled kernels: kept once, done without where they cannot be kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pythia_cli.checkpoints.store import Store
from pythia_cli.cli.opening import open_model
from pythia_cli.cli.output import Notices
from pythia_cli.kernels import compiled
from tests.cli.conftest import a_user
from tests.cli.running import Pythia, without_model_lines
from tests.conftest import DEMO


def test_the_first_run_compiles_kernels_and_installs_the_demo(tmp_path: Path) -> None:
    pythia = a_user(tmp_path)
    first = pythia("generate", "It was", "-n", "3", "--seed", "1")
    compiling, model, hint = first.err.splitlines()
    assert compiling.startswith("compiling kernels")
    assert model == "demo step3000, int8: a small built-in model, not a Pythia"
    assert hint == "to use pythia-410m: pythia download"
    assert pythia("checkpoint", "list", "--json").record["active"] is True
    assert len(list(pythia.cache.rglob("*.bin"))) == 1
    again = pythia("generate", "It was", "-n", "3", "--seed", "1")
    assert without_model_lines(again.err) == []
    assert again.stdout == first.stdout


def test_quantizing_without_a_cache(in_own_store: Pythia, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    without = replace(in_own_store, cache=tmp_path / "file/cache")
    assert without("quantize", DEMO / "step0", "--as", "mine@1", "-q").err == ""
    assert [path.name for path in tmp_path.iterdir() if path.name != "store"] == ["file"]


def test_a_notice_of_the_kernels_goes_to_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Here only the notice: a run would compile everything (tests/jit/test_library.py)."""
    monkeypatch.setattr(compiled, "load", lambda reporter: reporter.note("/x cannot be written"))
    for quiet, expected in ((False, ["/x cannot be written"]), (True, [])):
        with open_model("demo", None, Store(), Notices(quiet=True, verbose=False)) as model:
            model.reporter = Notices(quiet=quiet, verbose=False)
            capsys.readouterr()
            model.prepare()
        assert capsys.readouterr().err.splitlines() == expected
