"""Which checkpoint a command means, made ready to run."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_cli import settings
from pythia_cli.cli.interrupts import apart
from pythia_cli.cli.render import Notices
from pythia_cli.errors import (
    InputError,
    IntegrityError,
    NotFound,
    PythiaError,
    UnknownName,
    UsageError,
)
from pythia_cli.suite import (
    DEMO,
    DEMO_STEPS,
    LOCAL_PREFIX,
    MODELS,
    Checkpoint,
    check_shape,
    nearest_models,
    parse_step,
    repository,
)

if TYPE_CHECKING:
    from pythia_cli.hf_checkpoint import FloatCheckpoint
    from pythia_cli.int8_file import Int8File
    from pythia_cli.model.transformer import Transformer
    from pythia_cli.store import Installed, Store
    from pythia_cli.tokenizer import PythiaTokenizer

_DEMO_FOLDER = Path(__file__).resolve().parent.parent / "demo"
DEFAULT = Checkpoint(DEMO, DEMO_STEPS[-1])
_DEMO_HINT = (
    "for pythia-410m: hf download EleutherAI/pythia-410m --local-dir pythia-410m"
    " && pythia quantize pythia-410m --as pythia-410m@main"
)


@dataclass(frozen=True)
class Opened:
    """A checkpoint in the store, its int8 file mapped."""

    installed: Installed
    file: Int8File

    @property
    def checkpoint(self) -> Checkpoint:
        """Its name."""
        return self.installed.checkpoint

    def tokenizer(self, *, plain_text: bool = False) -> PythiaTokenizer:
        """The tokenizer that came with it."""
        from pythia_cli.files import file_sha256
        from pythia_cli.tokenizer import PythiaTokenizer

        path = self.installed.tokenizer_path(self.file.tokenizer_sha256)
        tokenizer = PythiaTokenizer(path, plain_text=plain_text)
        if file_sha256(path) != self.file.tokenizer_sha256:
            raise IntegrityError(
                path,
                "is not the tokenizer that the checkpoint was published with",
                hint=f"remove it, and pythia quantize FOLDER --as {self.checkpoint} --replace",
            )
        return tokenizer

    def name(self) -> dict[str, str | None]:
        """model and checkpoint, as records have them: a local folder is named by its path."""
        checkpoint = self.checkpoint
        if checkpoint.model.startswith(LOCAL_PREFIX):
            return {"model": self.installed.manifest()["source_folder"], "checkpoint": None}
        return {"model": checkpoint.model, "checkpoint": checkpoint.revision}

    def float_folder(self) -> Path:
        """The float checkpoint it was made from. Raises NotFound where it is gone or changed."""
        from pythia_cli.store import fingerprint

        manifest = self.installed.manifest()
        folder = Path(manifest["source_folder"])
        files = [folder / name for name in manifest["source_files"]]
        if all(f.is_file() for f in files) and fingerprint(files) == manifest["source_files"]:
            return folder
        raise NotFound(
            f"the float checkpoint that {self.checkpoint} was made from is no longer in {folder}",
            hint="name its folder: --dtype float32 -m FOLDER",
        )

    def provenance(self) -> dict[str, Any]:
        """The fields that every record of a figure carries."""
        return {
            **self.name(),
            "source": {
                key: value for key, value in self.file.source.to_dict().items() if key != "files"
            },
            "quantization": self.file.quantization,
            "tokenizer_sha256": self.file.tokenizer_sha256,
        }


def open_store(folder: Path | None) -> Store:
    """The store named on the command line, or the default one."""
    from pythia_cli.store import Store

    return Store(settings.expanded(folder) if folder is not None else settings.store_folder())


def is_folder_name(model: str, store: Store) -> bool:
    """Whether -m means a local folder: it has a separator, or is one and no model's name."""
    if model == DEMO or model in MODELS or store.has_model(model):
        return False
    return "/" in model or "\\" in model or model in (".", "..") or Path(model).is_dir()


def name_checkpoint(model: str | None, step: str | None, store: Store) -> Checkpoint:
    """The checkpoint that -m and -c mean. Raises UnknownName with the nearest names."""
    if model is None:
        active = store.active() or DEFAULT
        if step is None:
            return active
        model = active.model
    if model != DEMO and model not in MODELS:
        installed = [i.checkpoint for i in store.installed()]
        own = sorted(c.step for c in installed if c.model == model)
        if not own:
            raise UnknownName(
                "model", model, nearest_models(model, sorted({c.model for c in installed}))
            )
        if step in (None, "main"):
            return Checkpoint(model, own[-1])
    return Checkpoint(model, parse_step(model, step or "main"))


def read_ahead(model: str | None, step: str | None, store: Store) -> None:
    """Begin to read the tokenizer of the checkpoint that is meant, if that is easily known."""
    from pythia_cli.tokenizer_file import read_ahead as begin

    try:
        installed = store.find(name_checkpoint(model, step, store))
        if installed is not None:
            begin(installed.tokenizer_path(installed.manifest()["tokenizer_sha256"]))
    except (PythiaError, KeyError):
        return  # open_checkpoint will say what is wrong


def open_checkpoint(
    model: str | None, step: str | None, store: Store, notices: Notices, dtype: str = "int8"
) -> Opened:
    """Find, and for the demo or a local folder first quantize, the checkpoint that is meant.

    Says in one line which it is. Raises UnknownName, NotInstalled, and what quantizing raises.
    """
    from pythia_cli.int8_file import Int8File

    if model == "" or step == "":
        raise UsageError("--model or --checkpoint is empty")
    if model is not None and is_folder_name(model, store):
        if step is not None:
            raise UsageError("--checkpoint has no place beside a local folder, which holds one")
        installed = _from_folder(Path(model), store, notices)
    else:
        checkpoint = name_checkpoint(model, step, store)
        found = store.find(checkpoint)
        if found is None and checkpoint.model == DEMO:
            found = install_demo(checkpoint, store, notices)
        installed = found or store.get(checkpoint)
    opened = Opened(installed, Int8File(installed.weights))
    notices.say(_model_line(opened, dtype))
    if opened.checkpoint.model == DEMO:
        notices.say(_DEMO_HINT)
    return opened


def _model_line(opened: Opened, dtype: str) -> str:
    line = f"{' '.join(part for part in opened.name().values() if part)}, {dtype}"
    if opened.checkpoint.model == DEMO:
        line += ": a small built-in model, not a Pythia"
    elif (seen := opened.checkpoint.tokens_seen) is not None:
        line += f", after {seen / 1e9:.3g} billion tokens"
    return line


def install_demo(checkpoint: Checkpoint, store: Store, notices: Notices) -> Installed:
    """Quantize a step of the built-in demo suite, as any checkpoint."""
    folder = _DEMO_FOLDER / checkpoint.revision
    return publish(folder, checkpoint, None, store, notices)


def publish(
    folder: Path,
    checkpoint: Checkpoint,
    commit: str | None,
    store: Store,
    notices: Notices,
    certify_with: Path | None = None,
    n_threads: int | None = None,
) -> Installed:
    """Read, hash, quantize, optionally certify, and publish a float checkpoint's folder."""
    from pythia_cli.hf_checkpoint import FloatCheckpoint
    from pythia_cli.int8_file import Source
    from pythia_cli.tokenizer import PythiaTokenizer

    text = read_text(certify_with) if certify_with is not None else None
    source_checkpoint = FloatCheckpoint(folder)
    check_shape(checkpoint.model, source_checkpoint.config, folder / "config.json")
    tokenizer = PythiaTokenizer(source_checkpoint.tokenizer_path)
    tokenizer.check()
    if tokenizer.size > source_checkpoint.config.d_vocab:
        raise IntegrityError(
            source_checkpoint.tokenizer_path,
            f"has {tokenizer.size} tokens, but the model's vocabulary"
            f" {source_checkpoint.config.d_vocab}: it belongs to another model",
        )
    if text is not None and len(tokenizer.encode(text)) < 2:
        raise InputError(certify_with or "", "is too short to certify a checkpoint with")
    # After what can go wrong soon: kernels may have to be compiled.
    load_kernels(notices)
    from pythia_cli.quantize import n_parameters

    n_bytes = sum(path.stat().st_size for path in source_checkpoint.files)
    with notices.progress("hashing", n_bytes, "B") as progress:
        hashes = source_checkpoint.sha256(progress)
    repo = repository(checkpoint.model)
    source = Source(repo, checkpoint.revision if repo else None, commit, hashes)

    def certify(weights: Path) -> dict[str, Any]:
        assert certify_with is not None
        assert text is not None
        return _certify(
            source_checkpoint, weights, text, certify_with.name, notices, choose_threads(n_threads)
        )

    with notices.progress("quantizing", n_parameters(source_checkpoint), "weights") as progress:
        return store.publish(
            source_checkpoint, checkpoint, source, progress, certify if text is not None else None
        )


def _certify(
    source: FloatCheckpoint, weights: Path, text: str, name: str, notices: Notices, n_threads: int
) -> dict[str, Any]:
    from pythia_cli.certificate import certify
    from pythia_cli.int8_file import Int8File
    from pythia_cli.model.reference import Reference
    from pythia_cli.tokenizer import PythiaTokenizer

    model = open_transformer(Int8File(weights), n_threads, notices)
    tokenizer = PythiaTokenizer(source.tokenizer_path)
    reference = Reference.from_checkpoint(source, n_threads)
    n_tokens = max(0, len(tokenizer.encode(text)) - 1)
    with notices.progress("certifying", n_tokens, "tokens") as progress:
        return certify(model, reference, tokenizer, text, name, progress).to_dict()


def _from_folder(folder: Path, store: Store, notices: Notices) -> Installed:
    """A local folder's checkpoint, kept in the store under a name made from its path."""
    from pythia_cli.hf_checkpoint import read_files
    from pythia_cli.store import fingerprint

    files = read_files(folder)
    resolved = folder.resolve()
    digest = hashlib.sha256(os.fsencode(resolved)).hexdigest()[:8]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", resolved.name)[:64].strip("-.") or "folder"
    checkpoint = Checkpoint(f"{LOCAL_PREFIX}{name}-{digest}", 0)
    found = store.find(checkpoint)
    if found is not None and found.manifest()["source_files"] == fingerprint(files):
        return found
    return publish(folder, checkpoint, None, store, notices)


def open_transformer(file: Int8File, n_threads: int, notices: Notices) -> Transformer:
    """The model ready to run."""
    load_kernels(notices)
    from pythia_cli.model.transformer import Transformer

    return Transformer(file, n_threads)


def load_kernels(notices: Notices) -> None:
    """Make the kernels ready; says so where they have to be compiled first."""
    from pythia_cli.kernels import compiled

    def announce(damaged: bool) -> None:
        if damaged:
            notices.say("the compiled kernels were damaged, and are compiled anew")
        notices.say("compiling kernels for this processor, once: about 15 seconds")

    if not apart(lambda: compiled.load(announce)):
        notices.say(
            f"{settings.cache_folder()} cannot be written, so that every run compiles its kernels"
            " anew; set PYTHIA_CACHE to a folder of yours"
        )


def choose_threads(asked: int | None) -> int:
    """--threads, or what the machine grants."""
    return asked if asked is not None else settings.n_threads()


def read_text(path: Path) -> str:
    """A text file, or standard input for `-`. Raises NotFound, InputError, ResourceError."""
    import sys

    from pythia_cli.errors import ResourceError

    name = "standard input" if str(path) == "-" else str(path)
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"{name} does not exist") from None
    except IsADirectoryError:
        raise InputError(name, "is a folder; name its files") from None
    except OSError as error:
        raise ResourceError(name, f"cannot be read ({error.strerror or error})") from error
    return decode_text(data, name)


def argument_text(argument: str, name: str) -> str:
    """An argument of the command line as text. Raises InputError where its bytes are no UTF-8."""
    return decode_text(os.fsencode(argument), name)


def decode_text(data: bytes, name: str) -> str:
    """UTF-8 as it stands. Raises InputError with the place of what is none."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            name,
            f"is not UTF-8 text: byte {data[error.start]:#04x} at offset {error.start}",
            hint="convert it first, with iconv -f latin1 -t utf-8",
        ) from None
