"""A store with one checkpoint, `fuzz@1`, whose files are put there by a test."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pythia_cli.checkpoints.store import Store
from pythia_cli.suite.checkpoint import Checkpoint
from tests.fuzz.samples import tokenizer_json

CHECKPOINT = Checkpoint("fuzz", 1)
WEIGHTS = "model-0123456789ab.int8.safetensors"
TOKENIZER_SHA256 = hashlib.sha256(tokenizer_json()).hexdigest()


class FuzzStore:
    """`store`, and the paths of the manifest and of the int8 file in it."""

    def __init__(self, folder: Path) -> None:
        self.store = Store(folder / "store")
        place = self.store.place(CHECKPOINT)
        place.mkdir(parents=True)
        self.manifest, self.weights = place / "manifest.json", place / WEIGHTS
        self.store.tokenizers.mkdir()
        (self.store.tokenizers / f"{TOKENIZER_SHA256}.json").write_bytes(tokenizer_json())


def manifest_for(header: dict[str, Any]) -> dict[str, Any]:
    """The manifest that belongs to an int8 file with this header, as far as it can be read."""
    metadata = header.get("__metadata__")
    metadata = metadata if isinstance(metadata, dict) else {}
    try:
        source = json.loads(metadata["source"])
    except (KeyError, TypeError, ValueError, RecursionError):
        source = {}
    return {
        "version": 2,
        "model": CHECKPOINT.model,
        "step": CHECKPOINT.step,
        "weights": WEIGHTS,
        "source": source if isinstance(source, dict) else {},
        "source_files": {},
        "source_folder": None,
        "quantization": metadata.get("quantization", ""),
        "tokenizer_sha256": metadata.get("tokenizer_sha256", ""),
        "certificate": None,
        "created": "2026-01-01T00:00:00+00:00",
    }
