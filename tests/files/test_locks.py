"""Locks between processes."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from pythia_cli.errors import LockTimeout
from pythia_cli.files.locks import lock, lock_if_free
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
    with lock(path, "it", 0):
        assert path.stat().st_size == 0
        with pytest.raises(LockTimeout, match="it is still in use"), lock(path, "it", 0):
            pass
        with lock_if_free(path) as free:
            assert not free
    with lock_if_free(path) as free:
        assert free
    with lock(path, "it", 0):
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
    with pytest.raises(LockTimeout), lock_if_free(path):
        raise LockTimeout("another", 0)
    with lock(path, "it", 0):
        pass
