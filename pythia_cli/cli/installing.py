"""Float checkpoints into the store: a folder's, the built-in demo's, or one just downloaded."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_cli.cli.engine import choose_threads, load_kernels, open_transformer
from pythia_cli.cli.inputs import read_text
from pythia_cli.cli.options import WAIT_SECONDS
from pythia_cli.cli.render import Notices
from pythia_cli.errors import InputError, IntegrityError, UsageError
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.models import LOCAL_PREFIX, check_shape, repository

if TYPE_CHECKING:
    from pythia_cli.checkpoints.float_checkpoint import FloatCheckpoint
    from pythia_cli.checkpoints.publish import Making
    from pythia_cli.checkpoints.store import Installed, Store

DEMO_FOLDER = Path(__file__).resolve().parent.parent / "demo"


class Certifying:
    """A text to certify checkpoints with, read; or none. Raises what read_text raises.

    n_threads: how many to use for this, and for quantizing.
    """

    def __init__(self, path: Path | None, n_threads: int | None = None) -> None:
        self._path = path
        self._text = read_text(path) if path is not None else None
        self.n_threads = choose_threads(n_threads)

    def check(self, source: FloatCheckpoint) -> None:
        """Raises InputError where the text is too short for this checkpoint's tokenizer."""
        from pythia_cli.text.tokenizer import PythiaTokenizer

        if self._text is not None and self._path is not None:
            tokenizer = PythiaTokenizer(source.tokenizer_path)
            if len(tokenizer.encode(self._text)) < 2:
                raise InputError(self._path, "is too short to certify a checkpoint with")

    def of(
        self, source: FloatCheckpoint, notices: Notices
    ) -> Callable[[Path], dict[str, Any]] | None:
        """What `publish` calls with the int8 file; None where there is no text."""
        if self._text is None or self._path is None:
            return None
        text, name = self._text, self._path.name

        def certify(weights: Path) -> dict[str, Any]:
            from pythia_cli.checkpoints.int8_file import Int8File
            from pythia_cli.engine.reference import Reference
            from pythia_cli.measures.certificate import certify
            from pythia_cli.text.tokenizer import PythiaTokenizer

            model = open_transformer(Int8File(weights), self.n_threads, notices)
            tokenizer = PythiaTokenizer(source.tokenizer_path)
            reference = Reference.from_checkpoint(source, self.n_threads)
            n_tokens = max(0, len(tokenizer.encode(text)) - 1)
            with notices.progress("certifying", n_tokens, "tokens") as progress:
                return certify(model, reference, tokenizer, text, name, progress).to_dict()

        return certify


def open_source(folder: Path, checkpoint: Checkpoint) -> FloatCheckpoint:
    """A float checkpoint that may bear this name, with a tokenizer that fits it.

    Raises what FloatCheckpoint raises, UnsupportedModel and IntegrityError.
    """
    from pythia_cli.checkpoints.float_checkpoint import FloatCheckpoint
    from pythia_cli.text.tokenizer import PythiaTokenizer

    source = FloatCheckpoint(folder)
    check_shape(checkpoint.model, source.config, folder / "config.json")
    tokenizer = PythiaTokenizer(source.tokenizer_path)
    tokenizer.check()
    if tokenizer.size > source.config.d_vocab:
        raise IntegrityError(
            source.tokenizer_path,
            f"has {tokenizer.size} tokens, but the model's vocabulary"
            f" {source.config.d_vocab}: it belongs to another model",
        )
    return source


def publish_source(
    work: Making,
    source: FloatCheckpoint,
    notices: Notices,
    certifying: Certifying,
    *,
    commit: str | None = None,
    hashes: dict[str, str] | None = None,
    keep: Path | None = None,
) -> Installed:
    """Hash (where that is not done), quantize, certify and publish. Kernels are ready."""
    from pythia_cli.checkpoints.int8_file import Source
    from pythia_cli.checkpoints.publish import publish
    from pythia_cli.checkpoints.quantize import n_parameters

    if hashes is None:
        n_bytes = sum(path.stat().st_size for path in source.files)
        with notices.progress("hashing", n_bytes, "B") as progress:
            hashes = source.sha256(progress)
    repo = repository(work.checkpoint.model)
    provenance = Source(repo, work.checkpoint.revision if repo else None, commit, hashes)
    label = f"quantizing {work.checkpoint}"
    with notices.progress(label, n_parameters(source), "weights") as progress:
        return publish(
            work,
            source,
            provenance,
            progress=progress,
            certify=certifying.of(source, notices),
            keep=keep,
            n_threads=certifying.n_threads,
        )


def install_folder(
    folder: Path,
    checkpoint: Checkpoint,
    store: Store,
    notices: Notices,
    certifying: Certifying,
    *,
    commit: str | None = None,
    unless: Callable[[Installed], bool] = lambda installed: False,
    wait_seconds: float = WAIT_SECONDS,
) -> Installed:
    """A folder's float checkpoint under this name, `unless` what is there by then will do.

    `unless` may raise, and is asked again when the lock is held.
    """
    from pythia_cli.checkpoints.publish import making

    source = open_source(folder, checkpoint)
    certifying.check(source)
    with making(
        store,
        checkpoint,
        wait_seconds=wait_seconds,
        waiting=notices.waiting,
    ) as work:
        found = store.find(checkpoint)
        if found is not None and unless(found):
            return found
        # After what can go wrong soon: they may have to be compiled.
        load_kernels(notices)
        return publish_source(work, source, notices, certifying, commit=commit)


def install_demo(checkpoint: Checkpoint, store: Store, notices: Notices) -> Installed:
    """Quantize a step of the built-in demo suite, as any checkpoint."""
    folder = DEMO_FOLDER / checkpoint.revision
    return install_folder(
        folder, checkpoint, store, notices, Certifying(None), unless=lambda installed: True
    )


def install_local(folder: Path, store: Store, notices: Notices) -> Installed:
    """A local folder's checkpoint, kept in the store under a name made from its path."""
    from pythia_cli.checkpoints.float_checkpoint import read_files
    from pythia_cli.checkpoints.publish import fingerprint

    files = read_files(folder)
    resolved = folder.resolve()
    digest = hashlib.sha256(os.fsencode(resolved)).hexdigest()[:8]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", resolved.name)[:64].strip("-.") or "folder"
    checkpoint = Checkpoint(f"{LOCAL_PREFIX}{name}-{digest}", 0)

    def is_current(installed: Installed) -> bool:
        return bool(installed.manifest["source_files"] == fingerprint(files))

    found = store.find(checkpoint)
    if found is not None and is_current(found):
        return found
    return install_folder(folder, checkpoint, store, notices, Certifying(None), unless=is_current)


def install_named(
    folder: Path,
    checkpoint: Checkpoint,
    store: Store,
    notices: Notices,
    certifying: Certifying,
    *,
    commit: str | None = None,
    replace: bool,
    wait_seconds: float,
) -> Installed:
    """install_folder under a name of the user's. Raises UsageError where it is taken."""

    def refuse(installed: Installed) -> bool:
        if replace:
            return False
        raise UsageError(
            f"{checkpoint} is already installed",
            hint="add --replace to make it anew from this folder",
        )

    if (found := store.find(checkpoint)) is not None:
        refuse(found)
    return install_folder(
        folder_of(folder),
        checkpoint,
        store,
        notices,
        certifying,
        commit=commit,
        unless=refuse,
        wait_seconds=wait_seconds,
    )


def folder_of(source: Path) -> Path:
    """A checkpoint's folder, where its weights file was named instead."""
    from pythia_cli.checkpoints.float_checkpoint import INDEX_FILES, SINGLE_FILES

    named = source.is_file() and source.name in (*SINGLE_FILES, *INDEX_FILES)
    return source.parent if named else source


def record(installed: Installed) -> dict[str, Any]:
    """What --json tells of a checkpoint that was just installed."""
    manifest = {key: value for key, value in installed.manifest.items() if key != "version"}
    certificate = manifest.pop("certificate")
    return {
        "model": manifest.pop("model"),
        "checkpoint": installed.checkpoint.revision,
        **manifest,
        "folder": str(installed.folder),
        "certificate": certificate,
    }


def say_installed(installed: Installed, notices: Notices) -> None:
    """Where it is and how large, and its certificate."""
    n_bytes = installed.weights.stat().st_size
    notices.say(f"installed {installed.checkpoint}: {n_bytes / 1e6:.1f} MB in {installed.folder}")
    certificate = installed.certificate
    if certificate is not None:
        notices.say(
            f"int8 against float32 on {certificate['n_tokens']} tokens of"
            f" {certificate['text_name']}:"
            f" nll {certificate['delta_nll']:+.2g} nats a token,"
            f" KL mean {certificate['kl_mean']:.2g}, median {certificate['kl_median']:.2g},"
            f" 99 % {certificate['kl_p99']:.2g}, max {certificate['kl_max']:.2g},"
            f" top-1 agreement {certificate['top1_agreement']:.2%}"
        )
