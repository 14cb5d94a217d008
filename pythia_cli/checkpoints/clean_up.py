"""Removes leftovers of killed processes, and unused tokenizers."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from pathlib import Path

from pythia_cli.checkpoints.manifest import MANIFEST, read_manifest
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import PythiaError
from pythia_cli.files.locks import lock_if_free

_OURS = re.compile(
    r"model-[0-9a-f]{12}\.int8\.safetensors|original-[0-9a-f]{12}"
    r"|\.(manifest\.json|active\.json|[0-9a-f]{64}\.json)-[0-9a-f]{12}"
)
"""The names of the files that we write. All other files belong to the user, and are kept."""


def clean_up(store: Store) -> None:
    """Remove leftovers of killed processes, and tokenizers that no checkpoint needs."""
    for folder in store.folder.glob("incoming/*@*"):
        with lock_if_free(store.lock_path(folder.name)) as free:
            if free:
                remove_tree(folder)
    with store.changing():
        for folder in (store.folder, store.tokenizers):
            for path in folder.glob(".*"):
                if _OURS.fullmatch(path.name):
                    path.unlink(missing_ok=True)
        for place in store.folder.glob("checkpoints/*/step*"):
            tidy(place)
        drop_tokenizers(store)


def tidy(place: Path) -> None:
    """Remove our files in a checkpoint's folder that its manifest does not name."""
    if not os.access(place, os.R_OK | os.X_OK):  # removed, or another user's
        return
    named: set[str] = set()
    if (place / MANIFEST).exists():
        try:
            manifest = read_manifest(place, place.name)
        except PythiaError:
            return
        named = {manifest["weights"], Path(str(manifest["source_folder"])).name}
    for path in place.iterdir():
        if _OURS.fullmatch(path.name) and path.name not in named:
            remove_tree(path)
    with contextlib.suppress(OSError):
        place.rmdir()
        place.parent.rmdir()


def drop_tokenizers(store: Store) -> None:
    """Remove the tokenizers that no installed checkpoint needs."""
    if store.unreadable():
        return  # another user's checkpoints may need them
    needed = set()
    for installed in store.installed():
        try:
            needed.add(installed.manifest["tokenizer_sha256"])
        except PythiaError:
            return  # a damaged manifest may need any of them
    for path in store.tokenizers.glob("*.json"):
        if re.fullmatch(r"[0-9a-f]{64}", path.stem) and path.stem not in needed:
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        store.tokenizers.rmdir()


def remove_tree(path: Path) -> None:
    """Remove a file or folder, as far as possible; `clean_up` removes the rest later."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
