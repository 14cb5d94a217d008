"""`pythia weights`: norms and spectra of the float weights, and how far they moved."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pythia_cli.cli import item_choices, item_options, options
from pythia_cli.cli.grouped import OUTPUT
from pythia_cli.cli.output import Notices

if TYPE_CHECKING:
    from pythia_cli.checkpoints.store import Store

_MEASURE = "What is measured"


def weights(
    model: options.Model = None,
    steps: item_options.Steps = None,
    parameters: Annotated[
        str,
        typer.Option(metavar="NAMES", rich_help_panel=_MEASURE,
                     help="Only these parameters, without their layers, separated by commas;"
                     " patterns such as 'attention.*'."),
    ] = "*",
    spectra: Annotated[
        Path | None,
        typer.Option(metavar="FILE", rich_help_panel=OUTPUT,
                     help="Write the singular values of each matrix to this .npz file, as arrays"
                     " stepN/PARAMETER."),
    ] = None,
    output: item_options.Output = None,
    format: item_options.Format = None,
    as_json: options.Json = False,
    resume: item_options.Resume = False,
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:  # fmt: skip
    """Measure norms and spectra of the float weights, and their distance from the step before.

    It needs the float weights: download them with --keep-original. docs/weights.md has the
    formulas.

    Examples:

      pythia weights -m demo -c 0,64,512,3000 -o weights.tsv

      pythia weights -m demo -c all --parameters 'attention.*' --spectra spectra.npz
    """
    where = options.open_store(store)
    notices = Notices(quiet=quiet, verbose=verbose)
    out = item_choices.OutputChoice(output, format, as_json, resume)
    from pythia_cli.cli.item_runs import chosen_checkpoints, openers_of, run_command
    from pythia_cli.cli.spectra_file import check_spectra, spectra_file
    from pythia_cli.library.load import open_named
    from pythia_cli.measures.weight_items import (
        ONE_AT_A_TIME,
        ParameterItems,
        WeightMeasure,
        weight_columns,
        weight_openers,
    )
    from pythia_cli.measures.weight_parameters import names_matching

    check_spectra(spectra, out.path, resume=resume)
    names = names_matching(parameters.split(","))
    chosen = chosen_checkpoints(model, steps, where)
    _check_float_weights(chosen, where)
    with contextlib.closing(open_named(*chosen[0], where, False, notices, threads).file) as file:
        items = ParameterItems(file.config, names)
    openers = openers_of(model, steps, where, notices, dtype="float32", threads=threads)
    with (
        spectra_file(spectra) as written,
        WeightMeasure(items, _n_threads(threads), spectra=written) as measure,
    ):
        run_command(
            items,
            weight_openers(openers, notices),
            measure,
            weight_columns(),
            out,
            notices,
            identity={"measure": "weights", "parameters": names},
            label="weights",
            limits=ONE_AT_A_TIME,
        )
    if spectra is not None:
        notices.say(f"wrote the singular values to {spectra}")


def _n_threads(threads: int | None) -> int:
    from pythia_cli.system import cores

    return cores.n_threads() if threads is None else threads


def _check_float_weights(chosen: list[tuple[str | None, str | None]], store: Store) -> None:
    """Raises NoFloatWeights if those of some checkpoints were not kept, before any is measured.

    Its hint fetches them all.
    """
    from pythia_cli.checkpoints.resolve import is_local_folder, resolve
    from pythia_cli.errors import NoFloatWeights
    from pythia_cli.library.load import without_float_weights

    named = [
        resolve(model, step, store)
        for model, step in chosen
        if model is None or not is_local_folder(model, store)
    ]
    lacking = without_float_weights(named, store)
    if lacking:
        error = NoFloatWeights(lacking[0], "was not kept")
        steps = ",".join(str(one.step) for one in lacking)
        again = f"pythia download -m {lacking[0].model} -c {steps} --keep-original --replace"
        error.hint = again  # type: ignore[attr-defined]
        raise error
