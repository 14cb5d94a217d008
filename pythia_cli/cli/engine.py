"""The engine made ready: threads chosen, kernels loaded or compiled, a model opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pythia_cli import settings
from pythia_cli.cli.render import Notices
from pythia_cli.reporting import Reporter

if TYPE_CHECKING:
    from pythia_cli.checkpoints.int8_file import Int8File
    from pythia_cli.engine.transformer import Transformer


def open_transformer(file: Int8File, n_threads: int, notices: Notices) -> Transformer:
    """The model ready to run."""
    load_kernels(notices)
    from pythia_cli.engine.transformer import Transformer

    return Transformer(file, n_threads)


def load_kernels(notices: Notices) -> None:
    """Make the kernels ready; says so where they have to be compiled first."""
    from pythia_cli.kernels import compiled

    compiled.load(cast(Reporter, notices))  # of which only `note` is used


def choose_threads(asked: int | None) -> int:
    """--threads, or what the machine grants."""
    return asked if asked is not None else settings.n_threads()
