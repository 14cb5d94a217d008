"""Opens the tokenizer of a checkpoint, without opening its weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pythia_cli.checkpoints.demo import DEMO_FOLDER
from pythia_cli.checkpoints.resolve import is_local_folder, resolve
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.errors import DamagedCheckpoint, IntegrityError, NotFound, UsageError
from pythia_cli.files.reading import read_at_most
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.models import DEMO
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.text.tokenizer_json import MOST_BYTES

TOKENIZER = "tokenizer.json"


def find_tokenizer(model: str | None, step: str | int | None, store: Store) -> Checkpoint | Path:
    """The checkpoint, or the local folder, whose tokenizer a model and step name, as for `load`.

    It need not exist. Raises UnknownName and UsageError.
    """
    if model is None or not is_local_folder(model, store):
        return resolve(model, step, store)
    if step is not None:
        raise UsageError(f"{model} is a local folder, which holds one step; name no step")
    return Path(model)


def open_tokenizer(
    of: Checkpoint | Path, store: Store, *, plain_text: bool = False, reporter: Reporter = SILENT
) -> PythiaTokenizer:
    """The tokenizer of a checkpoint in the store, of one of the demo, or of a folder.

    The demo need not be installed; a folder needs no weights. Raises NotInstalled, NotFound,
    IntegrityError, ResourceError.
    """
    if isinstance(of, Checkpoint) and of.model == DEMO and store.find(of) is None:
        of = DEMO_FOLDER / of.revision
    if isinstance(of, Path):
        return PythiaTokenizer(of / TOKENIZER, plain_text=plain_text, reporter=reporter)
    installed = store.get(of)
    sha256 = str(installed.manifest["tokenizer_sha256"])
    content = read_installed(installed, sha256)
    if content is None:
        store.get(of)  # raises if it was removed meanwhile
    return installed_tokenizer(installed, sha256, content, plain_text=plain_text, reporter=reporter)


def read_installed(installed: Installed, sha256: str) -> bytes | None:
    """The content of the tokenizer.json with this sha256 in the store; None if it is missing."""
    try:
        return read_at_most(installed.tokenizer_path(sha256), MOST_BYTES)
    except NotFound:
        return None


def installed_tokenizer(
    installed: Installed,
    sha256: str,
    content: bytes | None,
    *,
    d_vocab: int | None = None,
    plain_text: bool = False,
    reporter: Reporter = SILENT,
) -> PythiaTokenizer:
    """The tokenizer of an installed checkpoint, from the content of its file.

    d_vocab: the model's, if it was compared. Raises DamagedCheckpoint if the file is missing or not
    the one with this sha256.
    """
    path, checkpoint = installed.tokenizer_path(sha256), installed.checkpoint
    if content is None:
        raise DamagedCheckpoint(path, "is missing", checkpoint)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DamagedCheckpoint(
            path, "is not the tokenizer that the checkpoint was installed with", checkpoint
        )
    try:
        return PythiaTokenizer(
            path,
            plain_text=plain_text,
            content=content,
            sha256=sha256,
            d_vocab=d_vocab,
            reporter=reporter,
        )
    except IntegrityError as error:
        raise DamagedCheckpoint(path, error.reason, checkpoint) from error
