"""Locks between processes."""

from __future__ import annotations

import subprocess
import sys
import time
from errno import EINVAL, EIO, ENOLCK, ENOSYS, EOPNOTSUPP
from pathlib import Path

import pytest

from pythia_cli.errors import LockTimeout
from pythia_cli.files.locks import lock
from tests.failing import without_locks
from tests.reporting import Recording

HOLDER = """
import sys, time
from pathlib import Path
from pythia_cli.files.locks import lock
with lock(Path(sys.argv[1]), "it", 0):
    print("held", flush=True)
    time.sleep(60)
"""


def held_elsewhere(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_one_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "made/it.lock"
    for _ in range(2):
        with lock(path, "it", 0) as keeps_out:
            assert keeps_out
            assert path.stat().st_size == 0
            with pytest.raises(LockTimeout, match="it is still in use"), lock(path, "it", 0):
                pass


def test_a_dead_holders_lock_is_free_at_once(tmp_path: Path) -> None:
    path = tmp_path / "it.lock"
    holder = held_elsewhere(path)
    reporter = Recording()
    with pytest.raises(LockTimeout), lock(path, "it", 0.2, reporter):
        pass
    assert reporter.notes == ["waiting for another pythia process, which is working on it"]
    holder.kill()
    holder.communicate()
    started = time.monotonic()
    with lock(path, "it", 10, reporter):
        pass
    assert time.monotonic() - started < 5
    assert reporter.notes == ["waiting for another pythia process, which is working on it"]


def test_what_is_raised_within_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "it.lock"
    with pytest.raises(KeyError), lock(path, "it", 0):
        raise KeyError
    with lock(path, "it", 0):
        pass


@pytest.mark.parametrize("number", [None, ENOSYS, EOPNOTSUPP, EINVAL, ENOLCK])
def test_a_file_system_without_locks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    """It lets everybody in, at once, also where there are lock files already."""
    path = tmp_path / "it.lock"
    path.write_text("")
    without_locks(monkeypatch, number)
    with lock(path, "it", 60) as keeps_out, lock(path, "it", 60) as second:
        assert (keeps_out, second) == (False, False)


def test_another_failure_of_a_lock_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_locks(monkeypatch, EIO)
    with pytest.raises(OSError, match="Input/output"), lock(tmp_path / "it.lock", "it", 60):
        pass


def test_a_link_is_not_locked(tmp_path: Path) -> None:
    (tmp_path / "it.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic"), lock(tmp_path / "it.lock", "it", 60):
        pass
    assert not (tmp_path / "elsewhere").exists()
