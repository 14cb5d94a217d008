"""What changes the store: checkpoints made, published and removed, and what dead ones left behind.

A checkpoint is made in STORE/incoming/MODEL@STEP under its own lock, for as long as that takes. It
is there from the moment its manifest is renamed into place, which is done under the store's lock
along with everything else that is quick. So a process may be killed at any point: the manifest
names whole files or there is none, and `sweep` removes what no manifest names.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_cli.checkpoints.manifest import MANIFEST, VERSION, read_manifest, version_1_files
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.errors import IntegrityError, PythiaError, ResourceError
from pythia_cli.files.locks import lock, lock_if_free
from pythia_cli.files.publishing import fsync_folder, nearest_existing, write_aside, write_json
from pythia_cli.files.reading import file_sha256
from pythia_cli.suite.checkpoint import Checkpoint

if TYPE_CHECKING:
    from pythia_cli.checkpoints.float_checkpoint import FloatCheckpoint
    from pythia_cli.checkpoints.int8_file import Source

_OURS = re.compile(
    r"model-[0-9a-f]{12}\.int8\.safetensors|original-[0-9a-f]{12}"
    r"|\.(manifest\.json|active\.json|[0-9a-f]{64}\.json)-[0-9a-f]{12}"
)
"""The names of what we write: anything else is the user's, and left alone."""


@dataclass(frozen=True)
class Making:
    """A checkpoint that is being made: an empty folder for it, and the store it will go to."""

    store: Store
    checkpoint: Checkpoint
    folder: Path


@contextlib.contextmanager
def making(
    store: Store,
    checkpoint: Checkpoint,
    *,
    wait_seconds: float,
    waiting: Callable[[str], None] = lambda what: None,
) -> Iterator[Making]:
    """Alone in making this checkpoint; `waiting` is told where another process does so already.

    Whatever is left in the folder at the end is removed. Raises LockTimeout, ResourceError.
    """
    with (
        store.writing(),
        lock(store.lock_path(str(checkpoint)), str(checkpoint), wait_seconds, waiting),
    ):
        sweep(store)
        folder = store.folder / "incoming" / str(checkpoint)
        _remove_tree(folder)
        folder.mkdir(parents=True)
        try:
            yield Making(store, checkpoint, folder)
        finally:
            _remove_tree(folder)


def publish(
    work: Making,
    source_checkpoint: FloatCheckpoint,
    source: Source,
    *,
    progress: Callable[[int], None] = lambda n_parameters: None,
    certify: Callable[[Path], dict[str, Any]] | None = None,
    keep: Path | None = None,
    n_threads: int = 1,
) -> Installed:
    """Quantize and install; an installed checkpoint of that name is replaced at the end.

    `certify` is given the finished int8 file and returns the certificate to keep with it. `keep` is
    the float checkpoint's folder, within work.folder, where it is to be kept in the store; a
    float checkpoint that lies within work.folder and is not kept goes with it. Written aside, read
    back, fsynced, renamed: a failure or interrupt leaves the store as it was. Raises what reading
    the checkpoint raises, and ResourceError from writing.
    """
    from pythia_cli.checkpoints.int8_file import Int8File
    from pythia_cli.checkpoints.quantize import write_int8

    with work.store.writing():
        files = fingerprint(source_checkpoint.all_files)
        weights = work.folder / "weights"
        write_int8(source_checkpoint, weights, source, progress, n_threads)
        _fsync(weights)
        file = Int8File(weights)
        if damaged := file.damaged_tensors(n_threads=n_threads):
            raise IntegrityError(weights, f"{damaged[0]} did not come back as written")
        if fingerprint(source_checkpoint.all_files) != files:
            raise IntegrityError(source_checkpoint.folder, "has changed while it was read")
        certificate = certify(weights) if certify is not None else None
        name = uuid.uuid4().hex[:12]
        place = work.store.place(work.checkpoint)
        if keep is not None:
            folder: str | None = str(place.resolve() / f"original-{name}")
        elif source_checkpoint.folder.resolve().is_relative_to(work.folder.resolve()):
            folder = None
        else:
            folder = str(source_checkpoint.folder.resolve())
        manifest = {
            "version": VERSION,
            "model": work.checkpoint.model,
            "step": work.checkpoint.step,
            "weights": f"model-{name}.int8.safetensors",
            "source": source.to_dict(),
            "source_folder": folder,
            "source_files": files,
            "quantization": file.quantization,
            "tokenizer_sha256": file.tokenizer_sha256,
            "certificate": certificate,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        if keep is not None:
            for path in keep.iterdir():
                _fsync(path)
        with work.store.changing():
            try:
                _put_tokenizer(work.store, source_checkpoint.tokenizer_path, file.tokenizer_sha256)
                _make_folders(place)
                weights.rename(place / str(manifest["weights"]))
                if keep is not None:
                    keep.rename(place / f"original-{name}")
                fsync_folder(place)
                before = version_1_files(place)
                write_json(place / MANIFEST, manifest)
                for path in before:
                    _remove_tree(path)
            finally:
                _tidy(place)
                _drop_tokenizers(work.store)
    return work.store.get(work.checkpoint)


def remove(store: Store, checkpoint: Checkpoint, *, wait_seconds: float) -> None:
    """Take an installed checkpoint away; whoever has it open goes on. Raises NotInstalled."""
    store.get(checkpoint)
    with (
        store.writing(),
        lock(store.lock_path(str(checkpoint)), str(checkpoint), wait_seconds),
        store.changing(),
    ):
        place = store.get(checkpoint).folder  # another may have been first
        before = version_1_files(place)
        (place / MANIFEST).unlink(missing_ok=True)
        fsync_folder(place)
        for path in before:
            _remove_tree(path)
        _tidy(place)


def sweep(store: Store) -> None:
    """Remove what killed processes left behind, and tokenizers that nothing needs any more."""
    for folder in store.folder.glob("incoming/*@*"):
        with lock_if_free(store.lock_path(folder.name)) as free:
            if free:
                _remove_tree(folder)
    with store.changing():
        for folder in (store.folder, store.tokenizers):
            for path in folder.glob(".*"):
                if _OURS.fullmatch(path.name):
                    path.unlink(missing_ok=True)
        for place in store.folder.glob("checkpoints/*/step*"):
            _tidy(place)
        _drop_tokenizers(store)


def check_room(folder: Path, n_bytes: int, what: str) -> None:
    """Raises ResourceError where the disk that holds `folder` has no room for n_bytes."""
    free = shutil.disk_usage(nearest_existing(folder)).free
    if free < n_bytes:
        raise ResourceError(
            folder,
            f"{what} needs {n_bytes / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free",
            hint="make room (pythia checkpoint remove), or choose another disk with --store",
        )


def fingerprint(files: list[Path]) -> dict[str, list[int]]:
    """Size and modification time (ns) of each file: enough to see that a folder has changed."""
    return {path.name: [path.stat().st_size, path.stat().st_mtime_ns] for path in files}


def _put_tokenizer(store: Store, path: Path, sha256: str) -> None:
    kept = store.tokenizers / f"{sha256}.json"
    if kept.is_file() and file_sha256(kept) == sha256:
        return
    _make_folders(kept.parent)
    write_aside(kept, path.read_bytes())


def _drop_tokenizers(store: Store) -> None:
    """Remove the tokenizers that no installed checkpoint needs."""
    if store.unreadable():
        return  # nor is what another user's needs
    needed = set()
    for installed in store.installed():
        try:
            needed.add(installed.manifest["tokenizer_sha256"])
        except PythiaError:
            return  # what a damaged manifest needs is not known
    for path in store.tokenizers.glob("*.json"):
        if re.fullmatch(r"[0-9a-f]{64}", path.stem) and path.stem not in needed:
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        store.tokenizers.rmdir()


def _tidy(place: Path) -> None:
    """Remove what is ours in a checkpoint's folder and not named by its manifest."""
    if not os.access(place, os.R_OK | os.X_OK):  # gone, or somebody else's
        return
    named: set[str] = set()
    if (place / MANIFEST).exists():
        try:
            manifest = read_manifest(place, hint="")
        except PythiaError:
            return
        named = {manifest["weights"], Path(str(manifest["source_folder"])).name}
    for path in place.iterdir():
        if _OURS.fullmatch(path.name) and path.name not in named:
            _remove_tree(path)
    with contextlib.suppress(OSError):
        place.rmdir()
        place.parent.rmdir()


def _remove_tree(path: Path) -> None:
    """A file or a folder, as far as it goes: what cannot be removed now, `sweep` removes later."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


def _make_folders(folder: Path) -> None:
    """Make it, and its parents, so that they last."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    fsync_folder(folder.parent)


def _fsync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
