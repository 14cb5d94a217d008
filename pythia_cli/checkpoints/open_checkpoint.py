"""Opens an installed checkpoint: maps its int8 file and reads its tokenizer.json."""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pythia_cli.checkpoints.demo import DEMO_FOLDER
from pythia_cli.checkpoints.fingerprint import fingerprint
from pythia_cli.checkpoints.int8_file import Int8File
from pythia_cli.checkpoints.manifest import MANIFEST
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.errors import DamagedCheckpoint, NoFloatWeights, NotFound
from pythia_cli.files.reading import file_sha256, read_bytes
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.models import DEMO, LOCAL_PREFIX
from pythia_cli.text.tokenizer import PythiaTokenizer


@dataclass(frozen=True, repr=False)
class OpenCheckpoint:
    """An open checkpoint. It stays usable if it is removed from the store.

    tokenizer_json: the content of its tokenizer.json; None if it is missing.
    """

    installed: Installed
    file: Int8File
    tokenizer_json: bytes | None

    def __repr__(self) -> str:
        return f"OpenCheckpoint({self.checkpoint})"

    @property
    def checkpoint(self) -> Checkpoint:
        """Its name."""
        return self.installed.checkpoint

    def tokenizer(
        self, *, plain_text: bool = False, reporter: Reporter = SILENT
    ) -> PythiaTokenizer:
        """Its tokenizer. Raises NotFound, and DamagedCheckpoint if it is not the original."""
        path = self.installed.tokenizer_path(self.file.tokenizer_sha256)
        data = self.tokenizer_json
        if data is None:
            raise NotFound(f"{path} does not exist")
        if hashlib.sha256(data).hexdigest() != self.file.tokenizer_sha256:
            raise DamagedCheckpoint(
                path, "is not the tokenizer that the checkpoint was installed with", self.checkpoint
            )
        return PythiaTokenizer(
            path,
            plain_text=plain_text,
            content=data,
            sha256=self.file.tokenizer_sha256,
            d_vocab=self.file.config.d_vocab,
            reporter=reporter,
        )

    def name(self) -> dict[str, str | None]:
        """`model` and `checkpoint` for records; a local folder is named by its path."""
        checkpoint = self.checkpoint
        if checkpoint.model.startswith(LOCAL_PREFIX):
            return {"model": self.installed.manifest["source_folder"], "checkpoint": None}
        return {"model": checkpoint.model, "checkpoint": checkpoint.revision}

    def provenance(self) -> dict[str, Any]:
        """The fields that every record of results has."""
        return {
            **self.name(),
            "source": {
                key: value for key, value in self.file.source.to_dict().items() if key != "files"
            },
            "quantization": self.file.quantization,
            "tokenizer_sha256": self.file.tokenizer_sha256,
        }

    def float_folder(self) -> Path:
        """The float checkpoint's folder. Raises NoFloatWeights if it was removed or changed."""
        manifest = self.installed.manifest
        if self.checkpoint.model == DEMO:
            # The package may have been moved or upgraded since.
            folder = DEMO_FOLDER / self.checkpoint.revision
            hashes = self.file.source.files
            if all(file_sha256(folder / name) == known for name, known in hashes.items()):
                return folder
            raise NoFloatWeights(
                self.checkpoint, "is not the demo in this version of pythia", folder
            )
        if manifest["source_folder"] is None:
            raise NoFloatWeights(self.checkpoint, "was not kept")
        folder = Path(manifest["source_folder"])
        files = [folder / name for name in manifest["source_files"]]
        if all(f.is_file() for f in files) and fingerprint(files) == manifest["source_files"]:
            return folder
        raise NoFloatWeights(self.checkpoint, f"is no longer in {folder}", folder)


def open_checkpoint(store: Store, checkpoint: Checkpoint, *, is_use: bool = True) -> OpenCheckpoint:
    """Open an installed checkpoint, so that it stays usable if it is removed from the store.

    is_use: set `last_used` to now. Raises NotInstalled, IntegrityError, ResourceError.
    """
    installed = store.get(checkpoint)
    while True:
        try:
            file = Int8File(installed.weights)
            tokenizer = _read(installed.tokenizer_path(file.tokenizer_sha256))
        except NotFound:
            # Replaced or removed since its manifest was read, or damaged.
            again = store.get(checkpoint)
            if again.manifest == installed.manifest:
                raise DamagedCheckpoint(installed.weights, "is missing", checkpoint) from None
            installed = again
            continue
        if tokenizer is None and (again := store.get(checkpoint)).manifest != installed.manifest:
            installed = again
            continue
        if is_use:
            with contextlib.suppress(OSError):
                os.utime(installed.folder / MANIFEST)
        return OpenCheckpoint(installed, file, tokenizer)


def _read(path: Path) -> bytes | None:
    try:
        return read_bytes(path)
    except NotFound:
        return None
