"""A command to run, a store with the demo in it, and kernels compiled once a session."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Pythia, Result, listing


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pythia, Result]:
    """The first command on a fresh machine: no store and no compiled kernels yet."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "elsewhere").mkdir()
    pythia = Pythia(folder / "store", folder / "cache", folder / "elsewhere")
    return pythia, pythia("generate", "It was", "-n", "3", "--seed", "1")


@pytest.fixture(scope="session")
def pythia(first_run: tuple[Pythia, Result]) -> Iterator[Pythia]:
    """The command, with a shared store that holds demo@3000 and that no test changes."""
    command, _ = first_run
    before = listing(command.store)
    yield command
    assert listing(command.store) == before


@pytest.fixture
def in_own_store(pythia: Pythia, tmp_path: Path) -> Pythia:
    """The same, with a store of the test's own that holds demo@3000."""
    store = tmp_path / "store"
    shutil.copytree(pythia.store, store)
    return replace(pythia, store=store)


@pytest.fixture
def start(pythia: Pythia) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Start the command without waiting; at the end of the test it ends in any case."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str | Path, of: Pythia = pythia, **more: Any) -> subprocess.Popen[bytes]:
        process = of.start(*arguments, **more)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def short_text(eval_text: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of some nine hundred tokens: more than one window."""
    path = tmp_path_factory.mktemp("text") / "short.txt"
    path.write_text(eval_text[:3400], encoding="utf-8")
    return path
