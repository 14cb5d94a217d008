"""Compiled kernels: kept once, done without where they cannot be kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tests.cli.running import Pythia, Result, without_model_lines
from tests.conftest import DEMO


def test_kernels_are_compiled_once(first_run: tuple[Pythia, Result]) -> None:
    pythia, first = first_run
    assert "compiling kernels" in first.err
    assert any(pythia.cache.rglob("*.nbc"))
    again = pythia("generate", "It was", "-n", "3", "--seed", "1")
    assert "compiling" not in again.err
    assert again.stdout == first.stdout


def test_a_cache_that_cannot_be_written(first_run: tuple[Pythia, Result], tmp_path: Path) -> None:
    pythia, first = first_run
    (tmp_path / "file").write_text("in the way")
    without = replace(pythia, cache=tmp_path / "file/cache")
    done = without("generate", "It was", "-n", "3", "--seed", "1")
    assert done.stdout == first.stdout
    (notice,) = without_model_lines(done.err)
    assert str(without.cache) in notice
    assert "PYTHIA_CACHE" in notice


def test_quantizing_needs_no_cache(in_own_store: Pythia, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    without = replace(in_own_store, cache=tmp_path / "file/cache")
    assert without("quantize", DEMO / "step0", "--as", "mine@1", "-q").err == ""
