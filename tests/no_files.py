"""What may stand where a file is expected, and could keep a reader waiting for ever."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest


def pipe(path: Path) -> None:
    """One that nobody writes to."""
    os.mkfifo(path)


def folder(path: Path) -> None:
    """An empty one."""
    path.mkdir()


def socket(path: Path) -> None:
    """One that nobody listens at."""
    os.mknod(path, stat.S_IFSOCK | 0o600)


IN_PLACE_OF_A_FILE = pytest.mark.parametrize(
    "put",
    [
        folder,
        pytest.param(pipe, marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")),
        pytest.param(socket, marks=pytest.mark.skipif(sys.platform != "linux", reason="no mknod")),
    ],
)
"""put(path): each of them."""
