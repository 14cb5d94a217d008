"""What nobody foresaw: called a bug, in one line; a traceback only for who asks for it."""

from __future__ import annotations

import pytest

from pythia_cli.checkpoints.store import Store
from pythia_cli.cli.app import run


def fail_with(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*arguments: object) -> None:
        raise error

    patch.setattr(Store, "__init__", fail)


def test_a_bug(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    fail_with(monkeypatch, RuntimeError("boom\nand more"))
    assert run(["checkpoint", "list"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "error: a bug in pythia: RuntimeError: boom and more;"
        " try: run it again with PYTHIA_DEBUG=1, and report the traceback\n"
    )


def test_a_bug_for_who_looks_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHIA_DEBUG", "1")
    fail_with(monkeypatch, RuntimeError("boom"))
    assert run(["checkpoint", "list"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("error: a bug in pythia: RuntimeError: boom\n")


def test_debugging_shows_where_a_failure_comes_from(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHIA_DEBUG", "1")
    assert run(["checkpoint", "use", "pythia-9b@1"]) == 3
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.splitlines()[-1].startswith("error: unknown model 'pythia-9b'")


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (MemoryError(), 7, "not enough memory"),
        (PermissionError(13, "Permission denied", "/there"), 7, "/there: Permission denied"),
        (OSError(5, "Input/output error"), 7, "standard output: Input/output error"),
        (OSError(12, "Cannot allocate memory"), 7, "error: not enough memory"),
        (OSError(23, "Too many open files in system"), 7, "error: too many open files"),
        (OSError(24, "Too many open files"), 7, "error: too many open files ... ulimit -n"),
        (OSError("libllvmlite.so was not found"), 7, "error: libllvmlite.so was not found"),
        (RuntimeError("can't start new thread"), 7, "no more threads ... --threads"),
        (FileNotFoundError(2, "No such file or directory"), 1, "a bug in pythia"),
    ],
)  # fmt: skip
def test_what_the_machine_refuses(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    says: str,
) -> None:
    fail_with(monkeypatch, error)
    assert run(["checkpoint", "list"]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert all(words in line for words in says.split(" ... "))
