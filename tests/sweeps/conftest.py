"""Twelve small checkpoints, made once."""

from __future__ import annotations

import pytest

from tests.sweeps.clusters import Twelve


@pytest.fixture(scope="session")
def twelve(tmp_path_factory: pytest.TempPathFactory) -> Twelve:
    """Twelve checkpoints, with inputs that take no time."""
    return Twelve(tmp_path_factory.mktemp("twelve")).make()


@pytest.fixture(scope="session")
def expected(twelve: Twelve) -> bytes:
    """The table of an undisturbed run of `twelve`."""
    return twelve.table()


@pytest.fixture(scope="session")
def slow_twelve(tmp_path_factory: pytest.TempPathFactory) -> Twelve:
    """The same, with cells that take long enough to be disturbed."""
    return Twelve(tmp_path_factory.mktemp("slow"), n_repeats=2500).make()


@pytest.fixture(scope="session")
def slow_expected(slow_twelve: Twelve) -> bytes:
    """The table of an undisturbed run of `slow_twelve`."""
    return slow_twelve.table()
