"""The store: the folder of installed checkpoints, and which one is active.

STORE/checkpoints/MODEL/stepN/manifest.json     names the other files; without it, not installed
                              model-ID.int8.safetensors
                              original-ID/      the float checkpoint, if it was kept
STORE/tokenizers/SHA256.json    one copy of each distinct tokenizer
STORE/incoming/                 checkpoints that are being made
STORE/partial/                  files that have arrived, in part or whole (partial.py)
STORE/sweeps/, STORE/locks/     which checkpoints sweeps fetched; empty files, for locks
STORE/active.json               the checkpoint that is used if none is named
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pythia_cli import settings
from pythia_cli.checkpoints.manifest import MANIFEST, certificate_of, read_manifest
from pythia_cli.errors import (
    DamagedActive,
    DamagedCheckpoint,
    IntegrityError,
    InvalidName,
    InvalidValue,
    NotFound,
    NotInstalled,
    ResourceError,
    StoreNotWritable,
)
from pythia_cli.files.locks import lock
from pythia_cli.files.publishing import write_json
from pythia_cli.files.reading import entries, read_json_object
from pythia_cli.files.removing import remove_file
from pythia_cli.suite.checkpoint import NAME, Checkpoint
from pythia_cli.suite.models import repository

_SHORT_WAIT = 60.0  # seconds, for a lock that is never held for long


@dataclass(frozen=True)
class Installed:
    """A checkpoint in the store. Its manifest is read once, on first use."""

    checkpoint: Checkpoint
    folder: Path
    tokenizers: Path

    def __repr__(self) -> str:
        return f"Installed({self.checkpoint} in {self.folder})"

    @property
    def weights(self) -> Path:
        """Its int8 file."""
        return self.folder / str(self.manifest["weights"])

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """The content of its manifest.

        Raises NotInstalled if it was removed meanwhile, and what read_manifest raises.
        """
        try:
            content = read_manifest(self.folder, self.checkpoint)
        except NotFound:
            raise _not_installed(self.checkpoint) from None
        found = Checkpoint(content["model"], content["step"])
        if found != self.checkpoint:
            raise DamagedCheckpoint(
                self.folder / MANIFEST,
                f"describes {found}, but is in the folder of another checkpoint",
                self.checkpoint,
            )
        return content

    @property
    def certificate(self) -> dict[str, Any] | None:
        """The quantization error, if measured at installation, with the arithmetic of today."""
        return certificate_of(self.manifest)

    def tokenizer_path(self, sha256: str) -> Path:
        """The path of the tokenizer.json with this sha256."""
        return self.tokenizers / f"{sha256}.json"

    def n_bytes(self) -> int:
        """The size of all files in its folder, including a kept original; 0 if it was removed."""
        total = 0
        for path in self.folder.rglob("*"):
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                total += status.st_size if stat.S_ISREG(status.st_mode) else 0
        return total

    def last_used(self) -> float:
        """When it was last opened, in seconds since 1970; 0 if it was removed."""
        try:
            return (self.folder / MANIFEST).stat().st_mtime
        except FileNotFoundError:
            return 0.0

    def to_dict(self) -> dict[str, Any]:
        """For JSON: the checkpoint's fields, those of the manifest, folder and certificate."""
        manifest = {key: value for key, value in self.manifest.items() if key != "version"}
        certificate = manifest.pop("certificate")
        return {
            **self.checkpoint.to_dict(),
            **manifest,
            "folder": str(self.folder),
            "certificate": certificate,
        }


class Store:
    """The folder of installed checkpoints. It need not exist, and may be read-only.

    folder: None is PYTHIA_HOME, or the platform's data folder.

    >>> [str(installed.checkpoint) for installed in Store().installed()][-1]
    'demo@3000'
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        self.folder = settings.store_folder() if folder is None else settings.expanded(folder)
        self.tokenizers = self.folder / "tokenizers"
        self.incoming = self.folder / "incoming"
        self.partial = self.folder / "partial"

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r})"

    def find(self, checkpoint: Checkpoint) -> Installed | None:
        """The installed checkpoint, or None. Raises InvalidValue for what is no Checkpoint."""
        if not isinstance(checkpoint, Checkpoint):
            raise InvalidValue("checkpoint", checkpoint, "a Checkpoint('demo', 3000)")
        if not NAME.fullmatch(checkpoint.model):
            return None
        folder = self.place(checkpoint)
        try:
            if not (folder / MANIFEST).exists():  # what is no file is damaged, and can be removed
                return None
        except PermissionError as error:
            raise ResourceError(folder, "cannot be read (Permission denied)") from error
        return Installed(checkpoint, folder, self.tokenizers)

    def get(self, checkpoint: Checkpoint) -> Installed:
        """The installed checkpoint. Raises NotInstalled."""
        installed = self.find(checkpoint)
        if installed is None:
            raise _not_installed(checkpoint)
        return installed

    def has_model(self, model: str) -> bool:
        """Whether any checkpoint of this model is installed."""
        return bool(NAME.fullmatch(model)) and any(
            _checkpoint_of(path) and os.path.exists(path / MANIFEST)
            for path in entries(self.folder / "checkpoints" / model)
        )

    def unreadable(self) -> list[Path]:
        """Folders of models and steps that we have no permission to read."""
        models = [p for p in entries(self.folder / "checkpoints") if NAME.fullmatch(p.name)]
        steps = [p for model in models for p in entries(model) if _checkpoint_of(p)]
        return [
            path
            for path in (*models, *steps)
            if path.is_dir() and not os.access(path, os.R_OK | os.X_OK)
        ]

    def installed(self) -> list[Installed]:
        """All readable checkpoints, sorted by model and step. Raises ResourceError."""
        found = []
        for folder in (self.folder, self.folder / "checkpoints"):
            if folder.is_dir() and not os.access(folder, os.R_OK | os.X_OK):
                raise ResourceError(folder, "cannot be read (Permission denied)")
        for path in self._steps():
            if (checkpoint := _checkpoint_of(path)) is not None and os.path.exists(path / MANIFEST):
                found.append(checkpoint)
        return [Installed(c, self.place(c), self.tokenizers) for c in sorted(found)]

    def places(self) -> Iterator[Path]:
        """The folders of checkpoints, with or without a manifest, that links do not lead to."""
        for path in self._steps():
            is_linked = any(p.is_symlink() for p in (path, *path.parents[:2]))
            if not is_linked and _checkpoint_of(path) is not None:
                yield path

    def _steps(self) -> Iterator[Path]:
        for model in entries(self.folder / "checkpoints"):
            yield from entries(model)

    def active(self) -> Checkpoint | None:
        """The checkpoint chosen by `use`, even if it was removed since; None if none was chosen.

        Raises DamagedActive.
        """
        path = self.folder / "active.json"
        if not path.exists():
            return None
        try:
            content = read_json_object(path)
        except IntegrityError as error:
            raise DamagedActive(path, error.reason) from error
        model, step = content.get("model", ""), content.get("step")
        is_model = isinstance(model, str) and NAME.fullmatch(model)
        if not is_model or type(step) is not int or step < 0:
            raise DamagedActive(path, "damaged")
        if step >= 1 << 63:
            raise DamagedActive(path, "damaged: no model has such a step")
        return Checkpoint(model, step)

    def use(self, checkpoint: Checkpoint) -> None:
        """Make an installed checkpoint the active one.

        Raises NotInstalled, ResourceError, and what read_manifest raises.
        """
        _ = self.get(checkpoint).manifest
        path = self.folder / "active.json"
        with self.writing(), self.changing():
            if path.is_dir():  # it would not be replaced
                remove_file(path)
            write_json(path, {"model": checkpoint.model, "step": checkpoint.step})

    def place(self, checkpoint: Checkpoint) -> Path:
        """The folder of a checkpoint, installed or not."""
        return self.folder / "checkpoints" / checkpoint.model / checkpoint.revision

    def lock_path(self, name: str) -> Path:
        """The file of a lock. Its name is that of a checkpoint, or `store`."""
        return self.folder / "locks" / f"{name}.lock"

    def check_new(self, model: str) -> None:
        """Raises InvalidName if the name differs from that of an installed model only by case.

        On some systems the two would be one folder.
        """
        models = {installed.checkpoint.model for installed in self.installed()}
        for other in models if model not in models else ():
            if other.casefold() == model.casefold():
                raise InvalidName(model, f"differs only by case from {other}, which is installed")

    def check_place(self, checkpoint: Checkpoint) -> None:
        """Raises StoreNotWritable if a link leads to a folder that is written with a checkpoint."""
        place = self.place(checkpoint)
        parts = (self.incoming, self.partial, self.tokenizers)
        refuse_links(place.parent.parent, place.parent, place, *parts)

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the store's lock, to change what is installed. Only for short steps."""
        with lock(self.lock_path("store"), "the store", _SHORT_WAIT):
            yield

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Create the store's folder. Within the block, an OSError becomes a ResourceError.

        This is StoreNotWritable, unless it names a file elsewhere; raised too if the folder of
        locks is a link. `check_place` looks at the others.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            refuse_links(self.folder / "locks")
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            name = error.filename2 or error.filename  # of two, the one that was to be there
            where = Path(name) if isinstance(name, str) else self.folder
            path, folder = where.absolute(), self.folder.absolute()
            if not path.is_relative_to(folder) and not folder.is_relative_to(path):
                raise ResourceError(where, reason) from error
            raise StoreNotWritable(where, f"the store cannot be written ({reason})") from error


def _checkpoint_of(place: Path) -> Checkpoint | None:
    """The checkpoint whose folder this is; None if it has no valid name."""
    model, step = place.parent.name, re.fullmatch(r"step(0|[1-9][0-9]*)", place.name)
    if step is None or not NAME.fullmatch(model):
        return None
    return Checkpoint(model, int(step.group(1)))


def _not_installed(checkpoint: Checkpoint) -> NotInstalled:
    model = checkpoint.model
    return NotInstalled(model, checkpoint.step, downloadable=repository(model) is not None)


def refuse_links(*folders: Path) -> None:
    """Raises StoreNotWritable for a folder of the store that is a link: it may lead out of it."""
    for folder in folders:
        if folder.is_symlink():
            reason = "is a link, and pythia writes only into folders of the store itself"
            raise StoreNotWritable(folder, reason)
