"""Installed checkpoints: where they lie, how one is published, and which is active.

STORE/checkpoints/MODEL/stepN/model.int8.safetensors, manifest.json, certificate.json
STORE/tokenizers/SHA256.json    one copy of each distinct tokenizer
STORE/incoming/                 what is being written
STORE/active.json               the checkpoint that commands use when none is named
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_cli.errors import IntegrityError, NotInstalled, ResourceError
from pythia_cli.files import file_sha256, fsync_folder, read_json_object, write_aside, write_json
from pythia_cli.suite import Checkpoint, repository

if TYPE_CHECKING:
    from pythia_cli.hf_checkpoint import FloatCheckpoint
    from pythia_cli.int8_file import Source

WEIGHTS = "model.int8.safetensors"
MANIFEST = "manifest.json"
CERTIFICATE = "certificate.json"


@dataclass(frozen=True)
class Installed:
    """A checkpoint in the store."""

    checkpoint: Checkpoint
    folder: Path
    tokenizers: Path

    @property
    def weights(self) -> Path:
        """Its int8 file."""
        return self.folder / WEIGHTS

    def manifest(self) -> dict[str, Any]:
        """Provenance, as publish wrote it. Raises IntegrityError where it is damaged."""
        path = self.folder / MANIFEST
        content = read_json_object(path)
        for field, kind in (("source_folder", str), ("source_files", dict)):
            if not isinstance(content.get(field), kind):
                raise IntegrityError(path, f"damaged: it has no {field}")
        return content

    def certificate(self) -> dict[str, Any] | None:
        """The quantization error measured when it was made, if any."""
        path = self.folder / CERTIFICATE
        return read_json_object(path) if path.is_file() else None

    def tokenizer_path(self, sha256: str) -> Path:
        """The tokenizer.json that its weights or its manifest name by its sha256."""
        return self.tokenizers / f"{sha256}.json"

    def n_bytes(self) -> int:
        """The size of its folder's files."""
        return sum(path.stat().st_size for path in self.folder.iterdir() if path.is_file())


class Store:
    """The folder of installed checkpoints. Reading never writes; the folder need not exist."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, checkpoint: Checkpoint) -> Installed | None:
        """The installed checkpoint, or None."""
        folder = self._place(checkpoint)
        if not (folder / WEIGHTS).is_file():
            return None
        return Installed(checkpoint, folder, self.folder / "tokenizers")

    def get(self, checkpoint: Checkpoint) -> Installed:
        """The installed checkpoint. Raises NotInstalled."""
        installed = self.find(checkpoint)
        if installed is None:
            model = checkpoint.model
            raise NotInstalled(model, checkpoint.step, checkpoint.revision, repository(model))
        return installed

    def has_model(self, model: str) -> bool:
        """Whether any checkpoint of this model is installed."""
        return Path(model).name == model and any(
            self.folder.glob(f"checkpoints/{glob.escape(model)}/step*/{WEIGHTS}")
        )

    def installed(self) -> list[Installed]:
        """All checkpoints, by model and step."""
        found = []
        for path in self.folder.glob(f"checkpoints/*/step*/{WEIGHTS}"):
            step = re.fullmatch(r"step(0|[1-9][0-9]*)", path.parent.name)
            if step is not None:
                found.append(Checkpoint(path.parent.parent.name, int(step.group(1))))
        return [i for c in sorted(found) if (i := self.find(c)) is not None]

    def active(self) -> Checkpoint | None:
        """The checkpoint chosen by `use`, installed or not; None where none was."""
        path = self.folder / "active.json"
        if not path.is_file():
            return None
        content = read_json_object(path)
        model, step = content.get("model"), content.get("step")
        if not isinstance(model, str) or Path(model).name != model or type(step) is not int:
            raise IntegrityError(path, "damaged", hint="pythia checkpoint use demo@3000")
        return Checkpoint(model, step)

    def use(self, checkpoint: Checkpoint) -> None:
        """Make an installed checkpoint the active one. Raises NotInstalled, ResourceError."""
        self.get(checkpoint)
        content = {"model": checkpoint.model, "step": checkpoint.step}
        with self._writing():
            write_json(self.folder / "active.json", content)

    def publish(
        self,
        source_checkpoint: FloatCheckpoint,
        checkpoint: Checkpoint,
        source: Source,
        progress: Callable[[int], None] = lambda n_parameters: None,
        certify: Callable[[Path], dict[str, Any]] | None = None,
    ) -> Installed:
        """Quantize into the store; an installed checkpoint of that name is replaced at the end.

        `certify` is given the finished int8 file and returns the certificate to keep with it.
        Written aside, read back, fsynced, renamed: a failure or interrupt leaves the store as it
        was. Raises what reading the checkpoint raises, and ResourceError from writing.
        """
        from pythia_cli.int8_file import Int8File
        from pythia_cli.quantize import write_int8

        staging = self.folder / "incoming" / f"{checkpoint}-{uuid.uuid4().hex[:12]}"
        with self._writing():
            staging.mkdir(parents=True)
            try:
                weights = staging / WEIGHTS
                write_int8(source_checkpoint, weights, source, progress)
                _fsync(weights)
                file = Int8File(weights)
                if damaged := file.damaged_tensors():
                    raise IntegrityError(weights, f"{damaged[0]} did not come back as written")
                if certify is not None:
                    write_json(staging / CERTIFICATE, certify(weights))
                manifest = {
                    "model": checkpoint.model,
                    "step": checkpoint.step,
                    "source": source.to_dict(),
                    "source_folder": str(source_checkpoint.folder.resolve()),
                    "source_files": fingerprint(source_checkpoint.all_files),
                    "quantization": file.quantization,
                    "tokenizer_sha256": file.tokenizer_sha256,
                    "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                }
                write_json(staging / MANIFEST, manifest)
                fsync_folder(staging)
                with self._tokenizer(source_checkpoint.tokenizer_path, file.tokenizer_sha256):
                    self._move_into_place(staging, self._place(checkpoint))
            finally:
                shutil.rmtree(staging, ignore_errors=True)
                with contextlib.suppress(OSError):
                    staging.parent.rmdir()  # only where nothing else is being written
        return self.get(checkpoint)

    def _place(self, checkpoint: Checkpoint) -> Path:
        return self.folder / "checkpoints" / checkpoint.model / checkpoint.revision

    def _move_into_place(self, staging: Path, place: Path) -> None:
        """Rename, and keep what was there until that is done; a failure puts it back."""
        place.parent.mkdir(parents=True, exist_ok=True)
        old = staging.with_name(staging.name + "-old")
        try:
            if place.exists():
                place.rename(old)
            staging.rename(place)
            fsync_folder(place.parent)
        except BaseException:
            if place.exists() and not staging.exists():
                place.rename(staging)
            if old.exists():
                old.rename(place)
            raise
        shutil.rmtree(old, ignore_errors=True)

    @contextlib.contextmanager
    def _tokenizer(self, path: Path, sha256: str) -> Iterator[None]:
        """With this tokenizer in the store; where it was not, a failure takes it out again."""
        kept = self.folder / "tokenizers" / f"{sha256}.json"
        if kept.is_file() and file_sha256(kept) == sha256:
            yield
            return
        mended = kept.exists()
        kept.parent.mkdir(exist_ok=True)
        try:
            write_aside(kept, path.read_bytes())
            yield
        except BaseException:
            if not mended:
                kept.unlink(missing_ok=True)
            raise

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """What goes wrong with the disk becomes a ResourceError that names the store."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            yield
        except OSError as error:
            raise ResourceError(
                error.filename or self.folder,
                f"the store cannot be written ({error.strerror or error})",
                hint="choose another folder with --store or PYTHIA_HOME, or make room",
            ) from error


def fingerprint(files: list[Path]) -> dict[str, list[int]]:
    """Size and modification time (ns) of each file: enough to see that a folder has changed."""
    return {path.name: [path.stat().st_size, path.stat().st_mtime_ns] for path in files}


def _fsync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
