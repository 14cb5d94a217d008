"""Where compiled kernels are kept, and whose folder is trusted."""

from __future__ import annotations

from pathlib import Path

import pytest

from pythia_cli.kernels import _jit


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTHIA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_folder_is_private_and_made_where_it_is_asked_for(cache: Path) -> None:
    folder = _jit._private_folder()
    assert folder is not None
    assert folder.is_relative_to(cache)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert _jit._private_folder() == folder


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722])
def test_a_folder_that_others_can_write_is_not_trusted(cache: Path, mode: int) -> None:
    folder = _jit._private_folder()
    assert folder is not None
    folder.chmod(mode)
    assert _jit._private_folder() is None


def test_a_folder_of_somebody_else_is_not_trusted(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _jit._private_folder() is not None
    monkeypatch.setattr(_jit.os, "getuid", lambda: 12_345)
    assert _jit._private_folder() is None


def test_a_file_in_its_place_means_no_cache(cache: Path) -> None:
    cache.write_text("not a folder")
    assert _jit._private_folder() is None


def test_the_key_follows_every_jitted_source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text("a"), other.write_text("b")
    monkeypatch.setattr(_jit, "_JITTED_SOURCES", (one, other))
    before = _jit._sources_key()
    other.write_text("c")
    assert _jit._sources_key() != before


def test_every_file_with_jitted_code_is_among_the_sources() -> None:
    package = Path(_jit.__file__).parent.parent
    jitted = {
        path
        for path in package.rglob("*.py")
        if "@jit" in path.read_text(encoding="utf-8") or "@intrinsic" in path.read_text()
    }
    assert jitted <= set(_jit._JITTED_SOURCES)


def test_what_is_compiled_is_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_jit, "CACHE_FOLDER", tmp_path)
    assert not _jit.is_compiled("_forward")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "transformer._forward-66.py311.1.nbc").touch()
    assert _jit.is_compiled("_forward")
    assert not _jit.is_compiled("_score")
    monkeypatch.setattr(_jit, "CACHE_FOLDER", None)
    assert not _jit.is_compiled("_forward")
