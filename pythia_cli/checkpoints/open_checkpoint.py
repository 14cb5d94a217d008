"""Opens an installed checkpoint: maps its int8 file and reads its tokenizer.json."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_cli.checkpoints.demo import DEMO_FOLDER
from pythia_cli.checkpoints.manifest import MANIFEST
from pythia_cli.checkpoints.open_tokenizer import installed_tokenizer, read_installed
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.errors import (
    DamagedCheckpoint,
    IntegrityError,
    NewerFormat,
    NoFloatWeights,
    NotFound,
    UsageError,
)
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.models import DEMO, LOCAL_PREFIX
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.weights.int8_file import Int8File

if TYPE_CHECKING:  # opening an int8 file needs nothing of it
    from pythia_cli.weights.float_checkpoint import FloatCheckpoint


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
        """Its tokenizer. Raises DamagedCheckpoint if it is missing or not the original."""
        tokenizer = installed_tokenizer(
            self.installed,
            self.file.tokenizer_sha256,
            self.tokenizer_json,
            d_vocab=self.file.config.d_vocab,
            plain_text=plain_text,
            reporter=reporter,
        )
        path = self.installed.tokenizer_path(self.file.tokenizer_sha256)
        try:
            check_vocabulary(tokenizer, self.file.config, path)
        except IntegrityError as error:
            raise DamagedCheckpoint(path, error.reason, self.checkpoint) from error
        return tokenizer

    def name(self) -> dict[str, str | None]:
        """`model` and `checkpoint` for records; a local folder is named by its path."""
        checkpoint = self.checkpoint
        if checkpoint.model.startswith(LOCAL_PREFIX):
            return {"model": self.installed.manifest["source_folder"], "checkpoint": None}
        return {"model": checkpoint.model, "checkpoint": checkpoint.revision}

    def identity(self) -> dict[str, Any]:
        """`name`, and `step` and `tokens_seen`, which are None for a local folder."""
        fields = self.checkpoint.to_dict()
        if self.checkpoint.model.startswith(LOCAL_PREFIX):
            fields = dict.fromkeys(fields)
        return {**fields, **self.name()}

    def provenance(self) -> dict[str, Any]:
        """The fields that every record of results has."""
        return {
            **self.identity(),
            "source": {
                key: value for key, value in self.file.source.to_dict().items() if key != "files"
            },
            "quantization": self.file.quantization,
            "tokenizer_sha256": self.file.tokenizer_sha256,
        }

    def float_checkpoint(self, reporter: Reporter = SILENT) -> FloatCheckpoint:
        """The float checkpoint that it was made from, every byte of its weights compared.

        Raises NoFloatWeights if it was not kept, was removed or has changed, and ResourceError.
        """
        from pythia_cli.weights.float_checkpoint import FloatCheckpoint

        manifest = self.installed.manifest
        if self.checkpoint.model == DEMO:
            # The package may have been moved or upgraded since.
            folder = DEMO_FOLDER / self.checkpoint.revision
            gone = "is not the demo in this version of pythia"
        elif manifest["source_folder"] is None:
            raise NoFloatWeights(self.checkpoint, "was not kept")
        else:
            folder = Path(manifest["source_folder"])
            gone = f"is no longer in {folder}"
        try:
            source = FloatCheckpoint(folder)
        except (NotFound, UsageError, IntegrityError) as error:
            raise NoFloatWeights(self.checkpoint, gone, folder) from error
        n_bytes = sum(path.stat().st_size for path in source.files)
        with reporter.task("hashing", n_bytes, "B") as task:
            hashes = source.sha256(task)
        is_same = hashes == self.file.source.files and source.config == self.file.config
        if not is_same or not source.is_unchanged(hashes):
            raise NoFloatWeights(self.checkpoint, gone, folder)
        return source


def check_vocabulary(tokenizer: PythiaTokenizer, config: ModelConfig, path: Path) -> None:
    """Raises IntegrityError, with the tokenizer's path, if it has tokens that the model lacks."""
    if tokenizer.size > config.d_vocab:
        raise IntegrityError(
            path,
            f"has {tokenizer.size} tokens, but the model's vocabulary has only {config.d_vocab}:"
            " it belongs to another model",
        )


def open_checkpoint(store: Store, checkpoint: Checkpoint, *, is_use: bool = True) -> OpenCheckpoint:
    """Open an installed checkpoint, so that it stays usable if it is removed from the store.

    is_use: set `last_used` to now. Raises NotInstalled, IntegrityError, ResourceError.
    """
    installed = store.get(checkpoint)
    while True:
        weights = installed.weights  # reads the manifest
        try:
            file = Int8File(weights)
            tokenizer = read_installed(installed, file.tokenizer_sha256)
        except NotFound:
            # Replaced or removed since its manifest was read, or damaged.
            again = store.get(checkpoint)
            if again.manifest == installed.manifest:
                raise DamagedCheckpoint(weights, "is missing", checkpoint) from None
            installed = again
            continue
        except NewerFormat:
            raise
        except IntegrityError as error:
            raise DamagedCheckpoint(error.path, error.reason, checkpoint) from error
        described = _is_described(file, installed.manifest)
        if tokenizer is None or not described:
            again = store.get(checkpoint)
            if again.manifest != installed.manifest:
                installed = again
                continue
        if not described:
            raise DamagedCheckpoint(
                weights, "is not the file that manifest.json describes", checkpoint
            )
        if is_use:
            with contextlib.suppress(OSError):
                os.utime(installed.folder / MANIFEST)
        return OpenCheckpoint(installed, file, tokenizer)


def _is_described(file: Int8File, manifest: dict[str, Any]) -> bool:
    """Whether the manifest was written for this file, by what the file's header says of it."""
    stated = (manifest["source"], manifest["quantization"], manifest["tokenizer_sha256"])
    if stated != (file.source.to_dict(), file.quantization, file.tokenizer_sha256):
        return False
    # Earlier manifests do not have it.
    return bool(manifest.get("header_sha256", file.header_sha256) == file.header_sha256)
