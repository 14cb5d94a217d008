"""What the environment says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pythia_cli import settings
from pythia_cli.errors import UsageError


@pytest.mark.parametrize(
    ("variable", "folder"),
    [("PYTHIA_HOME", settings.store_folder), ("PYTHIA_CACHE", settings.cache_folder)],
)
def test_folders_come_from_the_environment_or_the_platform(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str, folder: object
) -> None:
    assert callable(folder)
    monkeypatch.setenv(variable, str(tmp_path))
    assert folder() == tmp_path
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv(variable, "~/here")
    assert folder() == tmp_path / "here"
    for unset in ("", None):
        monkeypatch.delenv(variable) if unset is None else monkeypatch.setenv(variable, unset)
        assert folder().is_absolute()
        assert "pythia" in folder().parts


@pytest.mark.skipif(sys.platform == "win32", reason="has other home folders")
@pytest.mark.parametrize("folder", [settings.store_folder, settings.cache_folder])
def test_a_user_without_a_home_folder(
    monkeypatch: pytest.MonkeyPatch, folder: Callable[[], Path]
) -> None:
    for variable in ("HOME", "PYTHIA_HOME", "PYTHIA_CACHE", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    with pytest.raises(UsageError, match=r"set PYTHIA_HOME .* and PYTHIA_CACHE"):
        folder()


def test_threads_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHIA_THREADS", "7")
    assert settings.n_threads() == 7


@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", "0x2", " ", "\N{SUPERSCRIPT TWO}"])
def test_a_number_of_threads_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("PYTHIA_THREADS", text)
    with pytest.raises(UsageError, match="PYTHIA_THREADS"):
        settings.n_threads()


def test_no_number_of_threads_is_asked_for_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHIA_THREADS", "")
    assert settings.n_threads() is None
    monkeypatch.delenv("PYTHIA_THREADS")
    assert settings.n_threads() is None


@pytest.mark.parametrize(("text", "debug"), [(None, False), ("", False), ("0", False), ("1", True)])
def test_debugging_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, text: str | None, debug: bool
) -> None:
    if text is None:
        monkeypatch.delenv("PYTHIA_DEBUG", raising=False)
    else:
        monkeypatch.setenv("PYTHIA_DEBUG", text)
    assert settings.debug() is debug
