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
