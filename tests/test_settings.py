"""What the environment says."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pythia_cli import settings
from pythia_cli.errors import BadEnvironment, UsageError


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


@pytest.mark.parametrize("end", ["?x=1", "#y", "/sub?x=1#y", "/?"])
def test_an_endpoint_with_more_than_an_address(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", f"https://hub.example{end}")
    with pytest.raises(BadEnvironment, match=r"HF_ENDPOINT has a \? or #"):
        settings.check_hub_variables()


@pytest.mark.parametrize(
    ("endpoint", "own"),
    [
        ("", ()),
        ("http://hub.example", ("hub.example",)),
        ("HTTP://user:secret@Hub.Example:8080/sub", ("hub.example",)),
        ("http://[2001:DB8::1]:8080", ("2001:db8::1",)),
        ("http://[::1", ()),
        ("hub.example", ()),
    ],
)
def test_hosts_of_the_hub(
    monkeypatch: pytest.MonkeyPatch, endpoint: str, own: tuple[str, ...]
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    assert settings.hub_hosts() == ("huggingface.co", "hf.co", *own)


@pytest.mark.parametrize("name", ["HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT"])
@pytest.mark.parametrize("value", ["abc", "", "1.5", "9" * 5000])
def test_a_timeout_that_is_none(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(BadEnvironment, match=f"{name} is not a whole number") as raised:
        settings.check_hub_variables()
    assert raised.value.variable == name


@pytest.mark.parametrize(
    ("host", "there_may_be"),
    [
        *(
            (host, True)
            for host in ("a.example.", "::1", "127.0.0.1", "b\u00fccher.example", "a_b")
        ),
        *((host, False) for host in (None, "", "a..b", ".a", "a" * 64)),
    ],
)
def test_hosts(host: str | None, there_may_be: bool) -> None:
    assert settings.is_host(host) is there_may_be
