"""Small checkpoints published into a store, for the tests of what follows from it."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

from pythia_cli.checkpoints.clean_up import clean_up
from pythia_cli.checkpoints.publish import publish as publish_made
from pythia_cli.checkpoints.publish import workspace
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File
from pythia_cli.weights.source import Source

FIRST, SECOND = Checkpoint("mine", 1), Checkpoint("mine", 2)


def publish(store: Store, checkpoint: FloatCheckpoint, name: Checkpoint, **more: Any) -> Installed:
    source = Source("someone/mine", name.revision, "abc", checkpoint.sha256())
    with workspace(store, name, wait_seconds=1) as work:
        return publish_made(work, checkpoint, source, **more)


def certificate(weights: Path) -> dict[str, Any]:
    """A certificate, as if measured."""
    assert Int8File(weights).damaged_tensors() == []
    return {"kl_mean": 0.25}


def files(store: Store) -> list[str]:
    """All files of a store but its locks."""
    return sorted(
        str(path.relative_to(store.folder))
        for path in store.folder.rglob("*")
        if path.is_file() and path.parent.name != "locks"
    )


def leftovers(store: Store) -> list[str]:
    """All files of a store but its locks, a day later and after the next one has cleaned up."""
    two_days_ago = time.time() - 2 * 86_400
    for path in store.folder.rglob("*"):
        os.utime(path, (two_days_ago, two_days_ago), follow_symlinks=False)
    clean_up(store)
    return files(store)


def as_version_1(installed: Installed) -> None:
    """Rewrite its folder as the first version had it: files of fixed names, and fewer fields."""
    manifest = dict(installed.manifest)
    del manifest["version"]
    (installed.folder / manifest.pop("weights")).rename(installed.folder / "model.int8.safetensors")
    if (kept := manifest.pop("certificate")) is not None:
        (installed.folder / "certificate.json").write_text(json.dumps(kept))
    (installed.folder / "manifest.json").write_text(json.dumps(manifest))
