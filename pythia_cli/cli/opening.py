"""Opens the model of a command, and prints one line on stderr that says which it is."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pythia_cli import settings
from pythia_cli.cli.output import Notices
from pythia_cli.errors import PythiaError

if TYPE_CHECKING:
    from pythia_cli.checkpoints.store import Store
    from pythia_cli.engine.byte_parts import Precision
    from pythia_cli.library.model import Dtype, Model

_DEMO_HINT = "to use pythia-410m: pythia download"
_A_DAY = 86400.0  # seconds


def read_ahead(model: str | None, step: str | None, store: Store) -> None:
    """Start reading the tokenizer in the background, if it is easy to find."""
    from pythia_cli.checkpoints.resolve import is_local_folder, resolve
    from pythia_cli.text.tokenizer_file import read_ahead as begin

    with contextlib.suppress(PythiaError):  # open_model will report the error
        if model is not None and is_local_folder(model, store):
            return
        installed = store.find(resolve(model, step, store))
        if installed is not None:
            sha256 = installed.manifest["tokenizer_sha256"]
            begin(installed.tokenizer_path(sha256), sha256)


def open_model(
    model: str | None,
    step: str | None,
    store: Store,
    notices: Notices | None = None,
    *,
    dtype: Dtype = "int8",
    precision: Precision = "exact",
    threads: int | None = None,
    plain_text: bool = False,
) -> Model:
    """`load` a model, and print which one it is. Raises what `load` raises."""
    from pythia_cli.cli import bus_errors
    from pythia_cli.library.load import load
    from pythia_cli.suite.models import DEMO

    bus_errors.watch()
    notices = notices or Notices()
    opened = load(
        model,
        step,
        dtype=dtype,
        precision=precision,
        n_threads=threads,
        plain_text=plain_text,
        store=store,
        reporter=notices,
    )
    bus_errors.watch(opened.opened.file.path)
    notices.say(_model_line(opened))
    is_demo = opened.checkpoint.model == DEMO
    # Last, because the check writes a mark.
    if is_demo and not notices.is_quiet and _is_first_today(settings.cache_folder() / "demo-hint"):
        notices.say(_DEMO_HINT)
    return opened


def model_name(model: Model) -> str:
    """Model and step, or the path of a local folder."""
    return " ".join(part for part in model.opened.name().values() if part)


def _model_line(model: Model) -> str:
    from pythia_cli.suite.models import DEMO

    line = f"{model_name(model)}, {model.dtype}"
    if model.precision == "fast":
        line += ", precision fast"
    if model.checkpoint.model == DEMO:
        line += ": a small built-in model, not a Pythia"
    elif (seen := model.checkpoint.tokens_seen) is not None:
        line += f", after {seen / 1e9:.3g} billion tokens"
    return line


def _is_first_today(mark: Path) -> bool:
    """Whether this is the first time in a day, recorded as the time of an empty file."""
    with contextlib.suppress(OSError):
        if abs(time.time() - mark.stat().st_mtime) < _A_DAY:
            return False
    with contextlib.suppress(OSError):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    return True
