"""Failures injected into every write, fsync and rename of some work, one after another."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.kernels import compiled


class Countdown:
    """Lets `k` calls through and fails the next one."""

    def __init__(self, k: int, failure: BaseException) -> None:
        self.left = k
        self.failure = failure
        self.failed = False

    def __call__(self) -> None:
        self.left -= 1
        if self.left == -1:
            self.failed = True
            raise self.failure


class FailingFile:
    """A file opened for writing, whose writes count."""

    def __init__(self, file: Any, count: Callable[[], None]) -> None:
        self._file = file
        self._count = count

    def __enter__(self) -> FailingFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, data: Any) -> int:
        self._count()
        written: int = self._file.write(data)
        return written


def fail_fsync(patch: pytest.MonkeyPatch, count: Callable[[], None]) -> None:
    fsync = os.fsync
    patch.setattr(os, "fsync", lambda descriptor: (count(), fsync(descriptor)))


def fail_rename(patch: pytest.MonkeyPatch, count: Callable[[], None]) -> None:
    for name in ("rename", "replace"):
        original = getattr(Path, name)
        patch.setattr(
            Path, name, lambda path, to, original=original: (count(), original(path, to))[1]
        )


def fail_write(patch: pytest.MonkeyPatch, count: Callable[[], None]) -> None:
    original = Path.open

    def opened(path: Path, mode: str = "r", *more: Any, **named: Any) -> Any:
        file = original(path, mode, *more, **named)
        return FailingFile(file, count) if "x" in mode or "w" in mode else file

    patch.setattr(Path, "open", opened)


def failures(
    patch_with: Callable[[pytest.MonkeyPatch, Callable[[], None]], None],
    failure: BaseException,
    work: Callable[[], object],
) -> Iterator[BaseException]:
    """Do the work with its k-th such call failing, for k = 0, 1, ... until it succeeds."""
    compiled.load()  # where this could not be cached, it would go on without a cache
    for k in range(10_000):
        countdown = Countdown(k, failure)
        with pytest.MonkeyPatch.context() as patch:
            patch_with(patch, countdown)
            try:
                work()
            except BaseException as error:
                assert countdown.failed
                yield error
            else:
                assert not countdown.failed, f"failure {k} was swallowed"
                assert k > 0
                return


def without_locks(patch: pytest.MonkeyPatch, number: int | None) -> None:
    """File systems without locks: flock fails with this error number, or does nothing (None)."""

    def flock(descriptor: int, operation: int) -> None:
        if number is not None:
            raise OSError(number, os.strerror(number))

    patch.setattr(pytest.importorskip("fcntl"), "flock", flock)


CALLS = (fail_fsync, fail_rename, fail_write)
