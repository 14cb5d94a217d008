"""Removes leftovers of killed processes, and unused tokenizers.

A file that no manifest names may be one that another process is about to name. So only what has
not changed for a day is removed, whether locks work or not (docs/checkpoints.md).
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pythia_cli.checkpoints.incoming import drop_dead
from pythia_cli.checkpoints.manifest import (
    FIRST_CERTIFICATE,
    FIRST_WEIGHTS,
    MANIFEST,
    read_manifest,
)
from pythia_cli.checkpoints.store import Store
from pythia_cli.errors import DamagedCheckpoint, IntegrityError, NotFound, PythiaError
from pythia_cli.files.reading import entries
from pythia_cli.files.removing import is_old, remove_tree
from pythia_cli.weights.source import SHA256

_WEIGHTS = re.compile(r"model-[0-9a-f]{12}\.int8\.safetensors")
_OURS = re.compile(
    rf"{_WEIGHTS.pattern}|original-[0-9a-f]{{12}}"
    rf"|\.(manifest\.json|active\.json|{SHA256.pattern}\.json)-[0-9a-f]{{12}}"
)
"""The names of the files that we write. All other files belong to the user, and are kept."""
SWEEPS = "sweeps"
"""The folder of marks of sweeps in a store (sweeps/fetching.py)."""
_MARK = re.compile(r"\..+@[0-9]+-[0-9a-f]{12}")
"""A mark that was not finished. Nothing else in that folder is of this form."""
_OURS_ONCE = (FIRST_WEIGHTS, FIRST_CERTIFICATE)


def clean_up(store: Store) -> None:
    """Remove leftovers of killed processes, and tokenizers that no checkpoint needs."""
    drop_dead(store)
    with store.changing():
        places = ((store.folder, _OURS), (store.tokenizers, _OURS), (store.folder / SWEEPS, _MARK))
        for folder, ours in places:
            for path in folder.glob(".*"):
                if ours.fullmatch(path.name) and is_old(path):
                    remove_tree(path)
        for place in store.places():
            _tidy(place)
        _drop_tokenizers(store)


def named_files(place: Path) -> set[str]:
    """The files that the manifest in a checkpoint's folder names; none without a manifest.

    Raises what read_manifest raises.
    """
    manifest = _manifest(place)
    if manifest is None:
        return set()
    named = {manifest["weights"], Path(manifest["source_folder"] or "").name}
    return named if "version" in manifest else {*named, FIRST_CERTIFICATE}


def discard(place: Path, names: Iterable[str]) -> None:
    """Remove those of our files that the manifest does not name; then the folder, if empty."""
    try:
        named = named_files(place)
    except IntegrityError:
        # Damaged, or a newer pythia's. The caller found it so too, and gives only what it made.
        named = set()
    for name in set(names) - named:
        if _OURS.fullmatch(name) or name in _OURS_ONCE:
            remove_tree(place / name)
    _drop_empty(place)


def _tidy(place: Path) -> None:
    """Remove our old files that the manifest does not name; then the folder, if empty."""
    if not os.access(place, os.R_OK | os.X_OK):  # removed, or another user's
        return
    found = {path.name for path in place.iterdir()}
    if len(found) == 2 and MANIFEST in found and any(map(_WEIGHTS.fullmatch, found)):
        return  # nearly always; then its manifest need not be read
    try:
        manifest, named = _manifest(place), named_files(place)
    except PythiaError:
        return
    if manifest is not None and not (place / manifest["weights"]).exists():
        return  # a file that is not named may be the only one that is whole
    is_left = is_old(place)
    for name in found - named:
        if _OURS.fullmatch(name) and is_old(place / name):
            remove_tree(place / name)
    if is_left:
        _drop_empty(place)


def _manifest(place: Path) -> dict[str, Any] | None:
    try:
        os.lstat(place / MANIFEST)
    except FileNotFoundError:
        return None
    try:
        return read_manifest(place, place.name)
    except NotFound:
        raise DamagedCheckpoint(place / MANIFEST, "is a link to nothing", place.name) from None


def _drop_empty(place: Path) -> None:
    with contextlib.suppress(OSError):
        place.rmdir()
        place.parent.rmdir()


def _drop_tokenizers(store: Store) -> None:
    """Remove the old tokenizers that no installed checkpoint needs."""
    kept = {path.stem: path for path in entries(store.tokenizers) if path.suffix == ".json"}
    unneeded = {sha256 for sha256 in kept if SHA256.fullmatch(sha256)}
    if store.unreadable():
        return  # another user's checkpoints may need them
    for installed in store.installed():
        if not unneeded:
            return
        try:
            unneeded.discard(installed.manifest["tokenizer_sha256"])
        except PythiaError:
            return  # a damaged manifest may need any of them
    for sha256 in unneeded:
        if is_old(kept[sha256]):
            remove_tree(kept[sha256])
    with contextlib.suppress(OSError):
        store.tokenizers.rmdir()
