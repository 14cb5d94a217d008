"""What doctor calls a problem of the store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest

from pythia_cli.checkpoints.store import Store
from pythia_cli.diagnostics.doctor import examine
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from tests.publishing import FIRST, publish


@pytest.mark.parametrize(
    "place",
    ["", "checkpoints", "locks", "tokenizers", "checkpoints/mine", "checkpoints/mine/step1"],
)
def test_a_folder_that_cannot_be_written(
    store: Store, small: FloatCheckpoint, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    publish(store, small, FIRST)
    access = os.access  # which lets root do anything

    def without_one(path: Path, mode: int, **more: Any) -> bool:
        denied = mode & os.W_OK and Path(path) == store.folder / place
        return not denied and access(path, mode, **more)

    monkeypatch.setattr(os, "access", without_one)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    (found,) = [finding for finding in examine(store, 1) if finding.name == "store"]
    assert found.problem is not None
    assert found.problem.startswith(f"{store.folder / place} cannot be written")
    assert found.remedy is not None
    assert found.remedy.startswith(f"chmod u+w {store.folder / place}, or")
    assert ", drwx" in found.value


def test_a_folder_that_cannot_be_read(
    store: Store, small: FloatCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = publish(store, small, FIRST).folder
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != place and access(path, mode))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    (found,) = [finding for finding in examine(store, 1) if finding.name == "store"]
    assert found.problem == f"{place} cannot be read"
    assert found.remedy == f"chmod u+rx {place}"
