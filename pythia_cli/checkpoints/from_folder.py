"""Installs float checkpoints from a folder, or from the built-in demo.

download.py installs those from the Hub.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pythia_cli import settings
from pythia_cli.checkpoints.demo import DEMO_FOLDER
from pythia_cli.checkpoints.open_checkpoint import check_vocabulary
from pythia_cli.checkpoints.publish import Workspace, publish, workspace
from pythia_cli.checkpoints.store import Installed, Store
from pythia_cli.errors import AlreadyInstalled, InvalidValue
from pythia_cli.files.reading import read_at_most
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.config import ModelConfig
from pythia_cli.suite.models import LOCAL_PREFIX, check_shape, repository
from pythia_cli.system import cores
from pythia_cli.text.tokenizer import PythiaTokenizer
from pythia_cli.text.tokenizer_json import MOST_BYTES
from pythia_cli.weights.fingerprint import fingerprint
from pythia_cli.weights.float_checkpoint import (
    INDEX_FILES,
    SINGLE_FILES,
    FloatCheckpoint,
    read_config,
    read_files,
)
from pythia_cli.weights.int8_layout import QUANTIZATIONS
from pythia_cli.weights.source import COMMIT, Source


class Certifier(Protocol):
    """Measures int8 against float32 during installation, while the float weights exist."""

    def check(self, source: FloatCheckpoint) -> None:
        """Called before quantizing; raises errors that are already known then."""

    def certify(
        self, source: FloatCheckpoint, weights: Path, n_threads: int, reporter: Reporter
    ) -> dict[str, Any]:
        """The certificate of the int8 file `weights`, which was made from this source."""


class SmallFiles(NamedTuple):
    """What config.json and tokenizer.json of a float checkpoint hold; they are checked."""

    config: ModelConfig
    tokenizer_json: bytes
    tokenizer: PythiaTokenizer


def check_small_files(folder: Path, checkpoint: Checkpoint) -> SmallFiles:
    """Check a float checkpoint's shape and tokenizer before its weights are there.

    Raises as open_source does of config.json and tokenizer.json.
    """
    config, path = read_config(folder), folder / "tokenizer.json"
    content = read_at_most(path, MOST_BYTES)
    tokenizer = PythiaTokenizer(path, content=content)
    _check(checkpoint, folder, config, tokenizer)
    return SmallFiles(config, content, tokenizer)


def open_source(
    folder: Path, checkpoint: Checkpoint, checked: SmallFiles | None = None
) -> FloatCheckpoint:
    """Open a float checkpoint; checks that its shape fits the name, and its tokenizer the model.

    checked: its small files as check_small_files found them. Raises what FloatCheckpoint raises,
    UnsupportedModel and IntegrityError.
    """
    source = FloatCheckpoint(folder)
    found = (source.config, source.tokenizer_json)
    if checked is not None and found == (checked.config, checked.tokenizer_json):
        source.tokenizer = checked.tokenizer
    else:
        _check(checkpoint, folder, source.config, source.tokenizer)
    return source


def _check(
    checkpoint: Checkpoint, folder: Path, config: ModelConfig, tokenizer: PythiaTokenizer
) -> None:
    check_shape(checkpoint.model, config, folder / "config.json")
    check_vocabulary(tokenizer, config, folder / "tokenizer.json")
    tokenizer.check()


def publish_source(
    work: Workspace,
    source: FloatCheckpoint,
    *,
    reporter: Reporter = SILENT,
    certifier: Certifier | None = None,
    n_threads: int | None = None,
    repo: str | None = None,
    commit: str | None = None,
    hashes: dict[str, str] | None = None,
    hash_again: bool = False,
    keep: Path | None = None,
) -> Installed:
    """Quantize, certify and publish; hashes the weights files too if `hashes` is None.

    hashes: sha256 of each weights file, as it arrived. repo: on the Hub, to record it; None: the
    one of the model's name. commit: likewise. hash_again and keep: as for `publish`.
    """
    from pythia_cli.kernels import compiled

    # Late, because compiling the kernels takes time: other errors come first.
    compiled.load(reporter)
    n_threads = n_threads or cores.n_threads()
    if hashes is None:
        n_bytes = sum(path.stat().st_size for path in source.files)
        with reporter.task("hashing", n_bytes, "B") as task:
            hashes = source.sha256(task)
    repo = repo or repository(work.checkpoint.model)
    certify: Callable[[Path], dict[str, Any]] | None = None
    if certifier is not None:
        chosen = certifier

        def certify(weights: Path) -> dict[str, Any]:
            return chosen.certify(source, weights, n_threads, reporter)

    return publish(
        work,
        source,
        Source(repo, work.checkpoint.revision if repo else None, commit, hashes),
        reporter=reporter,
        certify=certify,
        keep=keep,
        hash_again=hash_again,
        n_threads=n_threads,
    )


def install_folder(
    folder: str | Path,
    checkpoint: Checkpoint,
    store: Store,
    *,
    replace: bool = False,
    commit: str | None = None,
    certifier: Certifier | None = None,
    n_threads: int | None = None,
    wait_seconds: float = settings.WAIT_SECONDS,
    reporter: Reporter = SILENT,
) -> Installed:
    """Quantize the float checkpoint in a folder and install it under this name.

    folder: or its weights file. commit: on the Hub, to record it. Raises AlreadyInstalled unless
    `replace`, InvalidValue, LockTimeout, and what open_source raises.
    """
    if not isinstance(folder, str | os.PathLike):
        raise InvalidValue("folder", folder, "the name of a folder")
    if commit is not None and not (isinstance(commit, str) and COMMIT.fullmatch(commit)):
        raise InvalidValue("commit", commit, "a commit on the Hub: 40 digits from 0-9 and a-f")

    def refuse(installed: Installed) -> bool:
        if replace:
            return False
        raise AlreadyInstalled(checkpoint)

    return _install(
        _folder_of(Path(folder)), checkpoint, store, refuse, reporter,
        commit=commit, certifier=certifier, n_threads=n_threads, wait_seconds=wait_seconds,
    )  # fmt: skip


def install_demo(
    checkpoint: Checkpoint,
    store: Store,
    reporter: Reporter = SILENT,
    n_threads: int | None = None,
    *,
    for_fast: bool = False,
    certifier: Certifier | None = None,
) -> Installed:
    """Quantize and install a step of the built-in demo suite, unless it is installed.

    for_fast: and for precision "fast". certifier: of one that is installed now.
    """

    def will_do(installed: Installed) -> bool:
        return not for_fast or _is_for_fast(installed)

    folder = DEMO_FOLDER / checkpoint.revision
    return _install(
        folder, checkpoint, store, will_do, reporter, certifier=certifier, n_threads=n_threads
    )


def install_local(
    folder: Path,
    store: Store,
    reporter: Reporter = SILENT,
    n_threads: int | None = None,
    *,
    for_fast: bool = False,
) -> Installed:
    """Install a local folder's checkpoint under a name made from its path.

    Quantizes it again if the folder's files have changed. for_fast: or if it was quantized without
    what precision "fast" needs.
    """
    files = read_files(folder)
    resolved = folder.resolve()
    digest = hashlib.sha256(os.fsencode(resolved)).hexdigest()[:8]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", resolved.name)[:64].strip("-.") or "folder"
    checkpoint = Checkpoint(f"{LOCAL_PREFIX}{name}-{digest}", 0)

    def is_current(installed: Installed) -> bool:
        is_same = bool(installed.manifest["source_files"] == fingerprint(files))
        return is_same and (not for_fast or _is_for_fast(installed))

    return _install(folder, checkpoint, store, is_current, reporter, n_threads=n_threads)


def _is_for_fast(installed: Installed) -> bool:
    return bool(installed.manifest["quantization"] not in QUANTIZATIONS[1])


def _install(
    folder: Path,
    checkpoint: Checkpoint,
    store: Store,
    will_do: Callable[[Installed], bool],
    reporter: Reporter,
    *,
    commit: str | None = None,
    certifier: Certifier | None = None,
    n_threads: int | None = None,
    wait_seconds: float = settings.WAIT_SECONDS,
) -> Installed:
    """Install it, unless there is one for which `will_do` is true, now or when we hold the lock."""
    cores.check_threads(n_threads)
    if (found := store.find(checkpoint)) is not None and will_do(found):
        return found
    source = open_source(folder, checkpoint)
    if certifier is not None:
        certifier.check(source)
    with workspace(store, checkpoint, wait_seconds=wait_seconds, reporter=reporter) as work:
        found = store.find(checkpoint)
        if found is not None and will_do(found):
            return found
        if fingerprint(source.all_files) != source.fingerprint:  # while we waited for the lock
            source = open_source(folder, checkpoint)
        return publish_source(
            work,
            source,
            reporter=reporter,
            certifier=certifier,
            n_threads=n_threads,
            commit=commit,
        )


def _folder_of(source: Path) -> Path:
    """The checkpoint's folder, also if its weights file is given."""
    named = source.is_file() and source.name in (*SINGLE_FILES, *INDEX_FILES)
    return source.parent if named else source
