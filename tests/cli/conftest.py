"""A command to run, a store with the demo in it, and compiled kernels."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pythia_cli.kernels import compiled
from tests.cli.running import Pythia, listing


@pytest.fixture(scope="session")
def pythia(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pythia]:
    """The command, with a shared store that holds demo@3000 and that no test changes.

    Its kernels are those of this process: only the tests of them compile.
    """
    folder = tmp_path_factory.mktemp("cli")
    command = a_user(folder)
    compiled.load()
    kept = compiled.cache().path
    if kept is not None and kept.is_file():
        (command.cache / "kernels").mkdir(mode=0o700, parents=True)
        shutil.copy2(kept, command.cache / "kernels")
    command("generate", "It was", "-n", "3")
    before = listing(command.store)
    yield command
    assert listing(command.store) == before


def a_user(folder: Path) -> Pythia:
    """The command on a fresh machine: no store, and no compiled kernels."""
    (folder / "elsewhere").mkdir()
    return Pythia(folder / "store", folder / "cache", folder / "elsewhere")


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
