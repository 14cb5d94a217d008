"""The .npz of singular values that `pythia weights --spectra` writes."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.file_output import checked_output, opened_binary, refuse_one_file
from pythia_cli.files.writing import writing_errors

if TYPE_CHECKING:
    from pythia_cli.measures.weight_items import FloatWeights, Spectra

_SUFFIX = ".npz"
_CHECKPOINTS = "checkpoints"


def check_spectra(path: Path | None, output: Path | None, *, resume: bool) -> None:
    """Raises CommandError and InputError for a file that cannot be written beside this output."""
    if path is None:
        return
    if path.suffix != _SUFFIX:
        raise CommandError(
            f"{path}: singular values are written as {_SUFFIX}", "--spectra FILE.npz"
        )
    if resume:
        raise CommandError(
            "--spectra and --resume exclude each other: the singular values of rows that are there"
            " would be missing",
            "--spectra in a run of its own",
        )
    refuse_one_file(output, path)
    checked_output(path, [])


@contextlib.contextmanager
def spectra_file(path: Path | None) -> Iterator[Spectra | None]:
    """What writes singular values to this file, which appears when it is complete.

    Arrays are named stepN/PARAMETER; of a folder, PARAMETER alone. `checkpoints` has a JSON text
    for each checkpoint. path: None yields None. Raises ResourceError.
    """
    if path is None:
        yield None
        return
    import numpy as np

    from pythia_cli.files.npz import NpzWriter

    provenance: list[dict[str, Any]] = []
    with opened_binary(path, []) as file, NpzWriter(file) as arrays:

        def write(weights: FloatWeights, name: str, singular: np.ndarray[Any, Any]) -> None:
            its = weights.provenance()
            if not provenance or provenance[-1] != its:
                provenance.append(its)
            step = its["checkpoint"]
            with writing_errors(path):
                arrays.add(name if step is None else f"{step}/{name}", singular)

        yield write
        with writing_errors(path):
            arrays.add(_CHECKPOINTS, np.array([json.dumps(one) for one in provenance]))
            file.flush()
