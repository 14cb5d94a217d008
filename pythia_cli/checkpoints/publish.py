"""Store writes: install or remove a checkpoint.

A checkpoint is made in a folder of its own in STORE/incoming, which may take long, under its lock.
It is installed when its manifest is renamed into place; this and other quick steps are done under
the store's lock. A process may be killed at any point: a manifest names only whole files, and
`clean_up` removes files that no manifest names. No checkpoint is lost where locks do not work;
docs/checkpoints.md has the argument.
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

from pythia_cli.checkpoints.clean_up import clean_up, discard, named_files
from pythia_cli.checkpoints.incoming import new_folder
from pythia_cli.checkpoints.manifest import MANIFEST, VERSION
from pythia_cli.checkpoints.quantize import write_int8
from pythia_cli.checkpoints.room import check_room
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.errors import IntegrityError, StoreNotWritable
from pythia_cli.files.locks import lock
from pythia_cli.files.publishing import fsync, fsync_folder, write_aside, write_json
from pythia_cli.files.reading import file_sha256
from pythia_cli.files.removing import remove_file, remove_tree
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.system.background import background
from pythia_cli.weights.float_checkpoint import FloatCheckpoint
from pythia_cli.weights.int8_file import Int8File
from pythia_cli.weights.int8_layout import data_bytes
from pythia_cli.weights.source import Source

_noted: set[Path] = set()
"""Stores without locks, of which a notice was given."""


@dataclass(frozen=True)
class Workspace:
    """An empty folder in which one checkpoint is made, and the store where it will be installed.

    keeps_out: whether the checkpoint's lock, which is held, keeps other processes out.
    """

    store: Store
    checkpoint: Checkpoint
    folder: Path
    keeps_out: bool


@contextlib.contextmanager
def workspace(
    store: Store,
    checkpoint: Checkpoint,
    *,
    wait_seconds: float,
    reporter: Reporter = SILENT,
) -> Iterator[Workspace]:
    """Yields a workspace, with the checkpoint's lock held. Reports if it waits for another process.

    Removes the folder at the end. Raises LockTimeout, InvalidName, StoreNotWritable.
    """
    with (
        store.writing(),
        lock(
            store.lock_path(str(checkpoint)), str(checkpoint), wait_seconds, reporter
        ) as keeps_out,
    ):
        if not keeps_out:
            _note_no_locks(store.folder, reporter)
        store.check_new(checkpoint.model)
        store.check_place(checkpoint)
        clean_up(store)
        folder = new_folder(store, checkpoint, keeps_out=keeps_out)
        try:
            yield Workspace(store, checkpoint, folder, keeps_out)
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
    hash_again: bool = False,
    n_threads: int = 1,
) -> Installed:
    """Quantize and install; at the end this replaces an installed checkpoint of the same name.

    certify: called with the finished int8 file; returns the certificate to store with it. keep:
    the float checkpoint's folder within work.folder, to keep it in the store; if None, a float
    checkpoint within work.folder is removed with it. hash_again: compare the float files with
    source.files, as another process may have written to them since. A change of their size or times
    while they are read is found in any case. The files are written to the workspace, fsynced, read
    back and renamed, so a failure or interrupt does not change the store. Raises what reading the
    checkpoint raises, and StoreNotWritable.
    """
    with work.store.writing():
        n_bytes = data_bytes(source_checkpoint.config)
        check_room(work.folder, n_bytes, f"quantizing {work.checkpoint}")
        # In a thread, while it is quantized: alone it would take as long as a fast download.
        read = background(source_checkpoint.sha256, "pythia-hash") if hash_again else None
        weights = work.folder / "weights"
        write_int8(
            source_checkpoint, weights, source,
            name=str(work.checkpoint), reporter=reporter, n_threads=n_threads,
        )  # fmt: skip
        _fsync(weights)
        # Closed before it is renamed, as Windows refuses to rename a mapped file.
        with contextlib.closing(Int8File(weights)) as file:
            if damaged := file.damaged_tensors(n_threads=n_threads):
                raise IntegrityError(weights, f"{damaged[0]} was not read back as written")
        certificate = certify(weights) if certify is not None else None
        as_read = source.files if read is None else read.result()
        if as_read != source.files or not source_checkpoint.is_unchanged(source.files):
            raise IntegrityError(source_checkpoint.folder, "changed while it was read")
        name = uuid.uuid4().hex[:12]
        place = work.store.place(work.checkpoint)
        manifest: dict[str, Any] = {
            "version": VERSION,
            "model": work.checkpoint.model,
            "step": work.checkpoint.step,
            "weights": f"model-{name}.int8.safetensors",
            "header_sha256": file.header_sha256,
            "source": source.to_dict(),
            "source_folder": _source_folder(work, source_checkpoint, keep, place, name),
            "source_files": source_checkpoint.fingerprint,
            "quantization": file.quantization,
            "tokenizer_sha256": file.tokenizer_sha256,
            "certificate": certificate,
            "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        if keep is not None:
            for path in keep.iterdir():
                _fsync(path)
        with work.store.changing():
            _install(work, manifest, weights, keep, source_checkpoint.tokenizer_json)
    return work.store.get(work.checkpoint)


def _install(
    work: Workspace, manifest: dict[str, Any], weights: Path, keep: Path | None, tokenizer: bytes
) -> None:
    """Move the files to where the manifest says, write it, and remove what it replaces."""
    store, place = work.store, work.store.place(work.checkpoint)
    # Again, as making it may have taken hours.
    store.check_new(work.checkpoint.model)
    store.check_place(work.checkpoint)
    made = {str(manifest["weights"]): weights}
    if keep is not None:
        made[Path(manifest["source_folder"]).name] = keep
    try:
        replaced = named_files(place)
    except IntegrityError:  # it is damaged
        replaced = set()
    try:
        _put_tokenizer(store, tokenizer, manifest["tokenizer_sha256"])
        _make_folders(place)
        for name, path in made.items():
            os.utime(path)  # it must not look like a leftover until the manifest names it
            path.rename(place / name)
        fsync_folder(place)
        _write_manifest(place, manifest)
        # It may have been removed by one that saw neither our lock nor our manifest.
        _put_tokenizer(store, tokenizer, manifest["tokenizer_sha256"])
    finally:
        discard(place, {*replaced, *made})


def _write_manifest(place: Path, manifest: dict[str, Any]) -> None:
    """Write the manifest. If its weights are gone, puts the previous one back and raises.

    That happens where locks do not work and this process was paused for a day before it came here.
    Raises StoreNotWritable.
    """
    path, weights = place / MANIFEST, place / str(manifest["weights"])
    # A pipe, or what else is no file, is not put back.
    previous = path.read_bytes() if path.is_file() else None
    if path.is_dir():
        remove_file(path)
    write_json(path, manifest)
    # Weights may also be gone because another process has replaced the checkpoint since.
    if weights.exists() or weights.name not in named_files(place):
        return
    if previous is None:
        path.unlink()
    else:
        write_aside(path, previous)
    raise StoreNotWritable(weights, "was removed by another process before it was installed")


def remove(store: Store, checkpoint: Checkpoint, *, wait_seconds: float = 60) -> None:
    """Remove an installed checkpoint; processes that have it open keep it.

    Raises NotInstalled, LockTimeout, StoreNotWritable.
    """
    store.get(checkpoint)
    with (
        store.writing(),
        lock(store.lock_path(str(checkpoint)), str(checkpoint), wait_seconds),
        store.changing(),
    ):
        place = store.get(checkpoint).folder  # another process may have removed it
        store.check_place(checkpoint)
        try:
            named = named_files(place)
        except IntegrityError:  # it is damaged; what it named is removed when it is old
            named = set()
        try:
            remove_file(place / MANIFEST)
            fsync_folder(place)
        finally:
            discard(place, named)


def _note_no_locks(folder: Path, reporter: Reporter) -> None:
    """Once for each store."""
    if folder not in _noted:
        _noted.add(folder)
        reporter.note(
            f"files cannot be locked in {folder}: processes do not wait for each other, and may do"
            " the same work twice; nothing is lost"
        )


def _source_folder(
    work: Workspace, source: FloatCheckpoint, keep: Path | None, place: Path, name: str
) -> str | None:
    """The later folder of the float checkpoint; None if it is removed with the workspace."""
    if keep is not None:
        return str(place.resolve() / f"original-{name}")
    if source.folder.resolve().is_relative_to(work.folder.resolve()):
        return None
    return str(source.folder.resolve())


def _put_tokenizer(store: Store, content: bytes, sha256: str) -> None:
    kept = store.tokenizers / f"{sha256}.json"
    if kept.is_file() and file_sha256(kept) == sha256:
        with contextlib.suppress(OSError):  # another user's
            os.utime(kept)  # it must not look unneeded until the manifest names it
        return
    _make_folders(kept.parent)
    if kept.is_dir():
        remove_tree(kept)  # it would not be replaced
    write_aside(kept, content)


def _make_folders(folder: Path) -> None:
    """Make a folder and its parents, durably (fsync)."""
    if folder.is_dir():
        return
    _make_folders(folder.parent)
    folder.mkdir(exist_ok=True)
    fsync_folder(folder.parent)


def _fsync(path: Path) -> None:
    with path.open("rb+") as file:
        fsync(file.fileno())
