"""Opens models by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from pythia_cli.checkpoints.open_checkpoint import OpenCheckpoint, open_checkpoint
from pythia_cli.checkpoints.resolve import is_local_folder, resolve, resolve_model
from pythia_cli.checkpoints.store import Store
from pythia_cli.engine.byte_parts import PRECISIONS, Precision
from pythia_cli.errors import NoByteParts, UsageError
from pythia_cli.library.model import Dtype, Model
from pythia_cli.reporting import SILENT, Reporter
from pythia_cli.suite.checkpoint import Checkpoint
from pythia_cli.suite.models import DEMO


def load(
    model: str | Path | None = None,
    step: str | int | None = None,
    *,
    download: bool = False,
    dtype: Dtype = "int8",
    precision: Precision = "exact",
    n_threads: int | None = None,
    plain_text: bool = False,
    store: Store | str | Path | None = None,
    reporter: Reporter = SILENT,
) -> Model:
    """Open a checkpoint.

    model: pythia-410m, EleutherAI/pythia-410m, pythia-410m@3000, demo, an installed name, or a
    local Hugging Face folder; None: the active model. step: 3000, "step3000" or "main"; None: the
    last step of the model, or the active checkpoint if model is None too. download: fetch it from
    the Hub if it is not installed. dtype: "float32" is the slow reference; it needs the original
    float checkpoint. precision: of the activations in int8: "exact" has 16 bits, "fast" 8 bits,
    which takes six tenths of the time for texts and moves the figures slightly more
    (docs/numerics.md). n_threads: default is the physical cores available to this process.
    plain_text: read special tokens in a text, such as <|endoftext|>, as plain text. store: a folder
    or a Store; default is PYTHIA_HOME, or the platform's data folder.

    Raises UnknownName with the nearest names, NotInstalled, NoFloatWeights, NoByteParts,
    IntegrityError, and the errors of `install` if it downloads.

    >>> with load("demo", 512) as early:
    ...     print(early)
    Model(demo step512, int8)
    """
    if dtype not in ("int8", "float32"):
        raise UsageError(f"dtype is {dtype!r}; expected int8 or float32")
    if precision not in PRECISIONS:
        raise UsageError(f"precision is {precision!r}; expected {' or '.join(PRECISIONS)}")
    if (dtype, precision) == ("float32", "fast"):
        raise UsageError("precision fast is for dtype int8; float32 rounds no activations")
    chosen = store if isinstance(store, Store) else Store(store)
    named = None if model is None else str(model)
    fast = precision == "fast"
    opened = open_named(named, step, chosen, download, reporter, n_threads, for_fast=fast)
    if fast and not opened.file.has_byte_parts:
        raise NoByteParts(opened.checkpoint)
    return Model(
        opened,
        dtype=dtype,
        precision=precision,
        n_threads=n_threads,
        plain_text=plain_text,
        reporter=reporter,
    )


def checkpoints(
    model: str | None = None,
    steps: str | int | Iterable[int] = "installed",
    *,
    download: bool = False,
    dtype: Dtype = "int8",
    precision: Precision = "exact",
    n_threads: int | None = None,
    plain_text: bool = False,
    store: Store | str | Path | None = None,
    reporter: Reporter = SILENT,
) -> Iterator[Model]:
    """Open several checkpoints of a model, one after the other. Each is closed before the next.

    steps: "installed", a set such as "0,64,512", "1000:10000:1000", "log" or "all", or numbers.
    The other arguments are as for `load`. Unless `download` is set, raises NotInstalled for missing
    checkpoints before the first is opened.

    >>> [str(model.checkpoint) for model in checkpoints("demo", [0, 64])]
    ['demo@0', 'demo@64']
    """
    chosen = store if isinstance(store, Store) else Store(store)
    found = checkpoints_of(model, steps, chosen)
    if not download:
        check_installed(found, chosen)

    def opened() -> Iterator[Model]:
        for checkpoint in found:
            with load(
                checkpoint.model, checkpoint.step, download=download, dtype=dtype,
                precision=precision, n_threads=n_threads, plain_text=plain_text, store=chosen,
                reporter=reporter,
            ) as loaded:  # fmt: skip
                yield loaded

    return opened()


def checkpoints_of(
    model: str | None, steps: str | int | Iterable[int], store: Store
) -> list[Checkpoint]:
    """The checkpoints that a set of steps names, each once, in ascending order.

    steps: as in suite/step_sets.py; "installed" names those that are in the store. Raises
    UnknownName, InvalidValue, UsageError.
    """
    from pythia_cli.suite.step_sets import INSTALLED, parse_steps, words_of

    name = resolve_model(model, store)
    parts = [part.strip() for word in words_of(steps) for part in word.split(",")]
    found = set(parse_steps(name, [part for part in parts if part != INSTALLED]))
    if INSTALLED in parts:
        own = [i.checkpoint.step for i in store.installed() if i.checkpoint.model == name]
        found.update(own)
    return [Checkpoint(name, step) for step in sorted(found)]


def check_installed(found: Iterable[Checkpoint], store: Store) -> None:
    """Raises NotInstalled for the first that is not in the store, and not in this package."""
    for checkpoint in found:
        if checkpoint.model != DEMO:
            store.get(checkpoint)


def without_float_weights(found: Iterable[Checkpoint], store: Store) -> list[Checkpoint]:
    """Those of these installed checkpoints whose float files were not kept.

    Whether files that were kept are still there is not looked at. Raises NotInstalled.
    """
    return [
        checkpoint
        for checkpoint in found
        if checkpoint.model != DEMO and store.get(checkpoint).manifest["source_folder"] is None
    ]


def open_named(
    model: str | None,
    step: str | int | None,
    store: Store,
    download: bool,
    reporter: Reporter,
    n_threads: int | None = None,
    *,
    for_fast: bool = False,
) -> OpenCheckpoint:
    """Open a checkpoint; quantize it first if it is the demo or a local folder.

    With `download`, fetch it if it is not installed. for_fast: quantize it again if its int8 file
    is of an earlier version and its float weights are at hand. Raises as `load`.
    """
    if model is not None and is_local_folder(model, store):
        if step is not None:
            raise UsageError(f"{model} is a local folder, which holds one step; name no step")
        from pythia_cli.checkpoints.from_folder import install_local

        local = install_local(Path(model), store, reporter, n_threads, for_fast=for_fast)
        return open_checkpoint(store, local.checkpoint)
    checkpoint = resolve(model, step, store)
    if checkpoint.model == DEMO and (for_fast or store.find(checkpoint) is None):
        from pythia_cli.checkpoints.from_folder import install_demo

        install_demo(checkpoint, store, reporter, n_threads, for_fast=for_fast)
    elif download and store.find(checkpoint) is None:
        _download(checkpoint, store, reporter, n_threads)
    return open_checkpoint(store, checkpoint)


def _download(
    checkpoint: Checkpoint, store: Store, reporter: Reporter, n_threads: int | None
) -> None:
    from pythia_cli.checkpoints.install import install

    install(checkpoint.model, checkpoint.step, n_threads=n_threads, store=store, reporter=reporter)
