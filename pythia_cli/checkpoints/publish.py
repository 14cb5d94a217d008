"""Store writes: a checkpoint made and published, or removed.

A checkpoint is made in STORE/incoming/MODEL@STEP under its own lock, for as long as that takes. It
is there from the moment its manifest is renamed into place, which is done under the store's lock
along with everything else that is quick. So a process may be killed at any point: the manifest
names whole files or there is none, and `clean_up` removes what no manifest names.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pythia_cli.checkpoints.clean_up import clean_up, drop_tokenizers, remove_tree, tidy
from pythia_cli.checkpoints.fingerprint import fingerprint
from pythia_cli.checkpoints.float_checkpoint import FloatCheckpoint
from pythia_cli.checkpoints.int8_file import Int8File, Source
from pythia_cli.checkpoints.manifest import MANIFEST, VERSION, version_1_files
from pythia_cli.checkpoints.quantize import n_parameters, write_int8
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.errors import IntegrityError
from pythia_cli.files.locks import lock
from pythia_cli.files.publishing import fsync_folder, write_aside, write_json
from pythia_cli.files.reading import file_sha256
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint


@dataclass(frozen=True)
class Workspace:
    """An empty folder in which one checkpoint is made, and the store it will go to."""

    store: Store
    checkpoint: Checkpoint
    folder: Path


@contextlib.contextmanager
def workspace(
    store: Store,
    checkpoint: Checkpoint,
    *,
    wait_seconds: float,
    reporter: Reporter = SILENT,
) -> Iterator[Workspace]:
    """Alone in making this checkpoint; notes where another process does so already.

    Whatever is left in the folder at the end is removed. Raises LockTimeout, StoreNotWritable.
    """
    with (
        store.writing(),
        lock(store.lock_path(str(checkpoint)), str(checkpoint), wait_seconds, reporter),
    ):
        clean_up(store)
        folder = store.folder / "incoming" / str(checkpoint)
        remove_tree(folder)
        folder.mkdir(parents=True)
        try:
            yield Workspace(store, checkpoint, folder)
        finally:
            remove_tree(folder)


def publish(
    work: Workspace,
    source_checkpoint: FloatCheckpoint,
    source: Source,
    *,
    reporter: Reporter = SILENT,
    certify: Callable[[Path], dict[str, Any]] | None = None,
    keep: Path | None = None,
    n_threads: int = 1,
) -> Installed:
    """Quantize and install; an installed checkpoint of that name is replaced at the end.

    `certify` is given the finished int8 file and returns the certificate to keep with it. `keep` is
    the float checkpoint's folder, within work.folder, where it is to be kept in the store; a
    float checkpoint that lies within work.folder and is not kept goes with it. Written aside, read
    back, fsynced, renamed: a failure or interrupt leaves the store as it was. Raises what reading
    the checkpoint raises, and StoreNotWritable.
    """
    with work.store.writing():
        files = fingerprint(source_checkpoint.all_files)
        weights = work.folder / "weights"
        label = f"quantizing {work.checkpoint}"
        with reporter.task(label, n_parameters(source_checkpoint), "weights") as task:
            write_int8(source_checkpoint, weights, source, task.advance, n_threads)
            _fsync(weights)
            file = Int8File(weights)
            if damaged := file.damaged_tensors(n_threads=n_threads):
                raise IntegrityError(weights, f"{damaged[0]} did not come back as written")
        if fingerprint(source_checkpoint.all_files) != files:
            raise IntegrityError(source_checkpoint.folder, "has changed while it was read")
        certificate = certify(weights) if certify is not None else None
        name = uuid.uuid4().hex[:12]
        place = work.store.place(work.checkpoint)
        manifest = {
            "version": VERSION,
            "model": work.checkpoint.model,
            "step": work.checkpoint.step,
            "weights": f"model-{name}.int8.safetensors",
            "source": source.to_dict(),
            "source_folder": _source_folder(work, source_checkpoint, keep, place, name),
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
                    remove_tree(path)
            finally:
                tidy(place)
                drop_tokenizers(work.store)
    return work.store.get(work.checkpoint)


def remove(store: Store, checkpoint: Checkpoint, *, wait_seconds: float = 60) -> None:
    """Remove an installed checkpoint; whoever has it open goes on. Raises NotInstalled."""
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
            remove_tree(path)
        tidy(place)


def _source_folder(
    work: Workspace, source: FloatCheckpoint, keep: Path | None, place: Path, name: str
) -> str | None:
    """Where the float checkpoint will be found later; None where it goes with the workspace."""
    if keep is not None:
        return str(place.resolve() / f"original-{name}")
    if source.folder.resolve().is_relative_to(work.folder.resolve()):
        return None
    return str(source.folder.resolve())


def _put_tokenizer(store: Store, path: Path, sha256: str) -> None:
    kept = store.tokenizers / f"{sha256}.json"
    if kept.is_file() and file_sha256(kept) == sha256:
        return
    _make_folders(kept.parent)
    write_aside(kept, path.read_bytes())


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
