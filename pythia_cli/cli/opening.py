"""Which checkpoint a command means, made ready to run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_cli import settings
from pythia_cli.cli.installing import DEMO_FOLDER, install_demo, install_local
from pythia_cli.cli.render import Notices
from pythia_cli.errors import IntegrityError, NotFound, PythiaError, UnknownName, UsageError
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.models import DEMO, LOCAL_PREFIX, MODELS, nearest_models
from pythia_cli.suite.steps import DEMO_STEPS, parse_step, steps_of

if TYPE_CHECKING:
    from pythia_cli.checkpoints.int8_file import Int8File
    from pythia_cli.checkpoints.store import Installed, Store
    from pythia_cli.text.tokenizer import PythiaTokenizer

DEFAULT = Checkpoint(DEMO, DEMO_STEPS[-1])
_DEMO_HINT = "for pythia-410m itself: pythia download"


@dataclass(frozen=True)
class Opened:
    """A checkpoint in the store, its int8 file mapped."""

    installed: Installed
    file: Int8File
    tokenizer_json: bytes | None

    @property
    def checkpoint(self) -> Checkpoint:
        """Its name."""
        return self.installed.checkpoint

    def tokenizer(self, *, plain_text: bool = False) -> PythiaTokenizer:
        """The tokenizer that came with it."""
        from pythia_cli.text.tokenizer import PythiaTokenizer

        path = self.installed.tokenizer_path(self.file.tokenizer_sha256)
        tokenizer = PythiaTokenizer(path, plain_text=plain_text, content=self.tokenizer_json)
        data = self.tokenizer_json or b""
        if hashlib.sha256(data).hexdigest() != self.file.tokenizer_sha256:
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
            return {"model": self.installed.manifest["source_folder"], "checkpoint": None}
        return {"model": checkpoint.model, "checkpoint": checkpoint.revision}

    def float_folder(self) -> Path:
        """The float checkpoint it was made from. Raises NotFound where it is gone or changed."""
        from pythia_cli.checkpoints.publish import fingerprint
        from pythia_cli.files.reading import file_sha256

        manifest = self.installed.manifest
        if self.checkpoint.model == DEMO:
            # The package may have moved since, or be another installation's.
            folder = DEMO_FOLDER / self.checkpoint.revision
            hashes = self.file.source.files
            if all(file_sha256(folder / name) == told for name, told in hashes.items()):
                return folder
            raise NotFound(
                f"the {self.checkpoint} in the store is not the one built into this pythia",
                hint=f"pythia checkpoint remove {self.checkpoint}",
            )
        if manifest["source_folder"] is None:
            raise NotFound(
                f"the float checkpoint that {self.checkpoint} was made from was not kept",
                hint=f"pythia download -m {self.checkpoint.model} -c {self.checkpoint.step}"
                " --keep-original --replace",
            )
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
    from pythia_cli.checkpoints.store import Store

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


def choose_installed(steps: list[str] | None, model: str | None, store: Store) -> list[Installed]:
    """The installed checkpoints that these words mean; all, where there are none.

    A word is MODEL@STEP, or steps of -m's (or the active checkpoint's) model as step_sets.py has
    them. Single ones have to be installed; of lists, ranges and sets those are taken that are.
    Raises UnknownName, NotInstalled, UsageError.
    """
    from pythia_cli.suite.step_sets import parse_steps

    everything = store.installed()
    if not steps:
        if model is None:
            return everything
        named = name_checkpoint(model, None, store).model
        return [i for i in everything if i.checkpoint.model == named]
    chosen: dict[Checkpoint, Installed] = {}
    for word in steps:
        named, at, step = word.rpartition("@")
        if at and model is not None:
            raise UsageError(f"{word!r} beside --model", hint="name the model once")
        of = name_checkpoint(named if at else model, None, store).model
        own = {i.checkpoint.step: i for i in everything if i.checkpoint.model == of}
        if steps_of(of) is None and step in ("all", "main"):
            found = sorted(own) if step == "all" else sorted(own)[-1:]
        else:
            found = parse_steps(of, [step])
        if len(found) == 1:
            store.get(Checkpoint(of, found[0]))
        chosen.update({own[s].checkpoint: own[s] for s in found if s in own})
    return list(chosen.values())


def read_ahead(model: str | None, step: str | None, store: Store) -> None:
    """Begin to read the tokenizer of the checkpoint that is meant, if that is easily known."""
    from pythia_cli.text.tokenizer_file import read_ahead as begin

    try:
        installed = store.find(name_checkpoint(model, step, store))
        if installed is not None:
            begin(installed.tokenizer_path(installed.manifest["tokenizer_sha256"]))
    except (PythiaError, KeyError):
        return  # open_checkpoint will say what is wrong


def open_checkpoint(
    model: str | None, step: str | None, store: Store, notices: Notices, dtype: str = "int8"
) -> Opened:
    """Find, and for the demo or a local folder first quantize, the checkpoint that is meant.

    Says in one line which it is. Raises UnknownName, NotInstalled, and what quantizing raises.
    """
    if model == "" or step == "":
        raise UsageError("--model or --checkpoint is empty")
    if model is not None and is_folder_name(model, store):
        if step is not None:
            raise UsageError("--checkpoint has no place beside a local folder, which holds one")
        checkpoint = install_local(Path(model), store, notices).checkpoint
    else:
        checkpoint = name_checkpoint(model, step, store)
        if store.find(checkpoint) is None and checkpoint.model == DEMO:
            install_demo(checkpoint, store, notices)
    opened = Opened(*store.open(checkpoint))
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
