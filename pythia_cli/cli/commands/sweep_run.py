"""`pythia sweep DIR`: takes measures at many checkpoints, and goes on where it was ended."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pythia_cli.cli import completing, measure_options, options
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.output import Notices
from pythia_cli.cli.sizes import n_bytes_of
from pythia_cli.cli.sweep_place import Place, slurm_options

if TYPE_CHECKING:
    from pythia_cli.checkpoints.store import Store
    from pythia_cli.sweeps.folder import SweepFolder
    from pythia_cli.sweeps.making import WantedMeasure, WantedSweep
    from pythia_cli.sweeps.plan import SweepPlan

_CHECKPOINTS, _WORK = "Which checkpoints", "How it runs"
_HOW_OPENED = ("dtype", "precision", "plain_text")
"""Options of the plan that have defaults."""


@measure_options.takes_files
def run(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Folder of the sweep: its results and its plan.")
    ],
    models: Annotated[
        list[str] | None,
        typer.Option("-m", "--model", metavar="NAME", autocompletion=completing.models,
                     help="A Pythia model, demo, or an installed name; repeatable. Default: the"
                     " active model.", rich_help_panel=_CHECKPOINTS),
    ] = None,
    steps: Annotated[
        list[str] | None,
        typer.Option("-c", "--checkpoint", metavar="STEPS",
                     help="3000, main, 0,64,512, 1000:10000:1000, log, installed or all;"
                     " repeatable. Default: main.", rich_help_panel=_CHECKPOINTS),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Models, steps, measures and their options, as TOML"
                     " (docs/sweeps.md), in place of these options."),
    ] = None,
    perplexity: measure_options.Perplexity = None,
    surprisal: measure_options.Surprisal = None,
    pairs: measure_options.Pairs = None,
    choices: measure_options.Choices = None,
    memorize: measure_options.Memorize = None,
    icl: measure_options.InContext = None,
    heads: measure_options.Heads = None,
    weights: measure_options.Weights = None,
    eval: measure_options.Tasks = None,
    settings: measure_options.Set = None,
    dtype: options.Dtype = "int8",
    precision: options.Precision = "exact",
    plain_text: options.PlainText = False,
    certify: options.Certify = None,
    keep_under: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Keep the store below this size, such as 20GB: remove"
                     " what the sweep fetched when it is done with it. What was installed before"
                     " stays.", rich_help_panel=_WORK),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(metavar="I/N", help="Do only every N-th checkpoint, from the I-th on, as one"
                     " of N processes.", rich_help_panel=_WORK),
    ] = None,
    retry: Annotated[
        bool,
        typer.Option("--retry", help="Also try again what failed.", rich_help_panel=_WORK),
    ] = False,
    offline: Annotated[
        bool,
        typer.Option("--offline", help="Use only checkpoints that are installed, or in the Hugging"
                     " Face cache.", rich_help_panel=_WORK),
    ] = False,
    on: Annotated[
        str | None,
        typer.Option(metavar="WHERE", help="Run it on a cluster that shares DIR: slurm, or"
                     " dask=tcp://HOST:PORT (docs/clusters.md).", rich_help_panel=_WORK),
    ] = None,
    slurm: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE,...", help="Options of the Slurm jobs, as sbatch names"
                     " them: partition=cpu,time=2:00:00,cpus=8,array=20; repeatable.",
                     rich_help_panel=_WORK),
    ] = None,
    detach: Annotated[
        bool,
        typer.Option("--detach", help="Return when the Slurm jobs are submitted.",
                     rich_help_panel=_WORK),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only print what would be fetched and measured.",
                     rich_help_panel=_WORK),
    ] = False,
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:  # fmt: skip
    """Take the same measures at many checkpoints. The same command goes on where it ended.

    Missing checkpoints are downloaded, each while another is measured. What fails is recorded, and
    the others go on. DIR/table.csv has all figures. Without measures, the plan in DIR is gone on
    with, and with its --keep-under and --certify. Several processes may work on one DIR.
    docs/sweeps.md has it all.

    Examples:

      pythia sweep runs/grammar -m pythia-410m -c 512,1000,main --pairs blimp/*.jsonl

      pythia sweep runs/night --plan plan.toml --keep-under 20GB

      pythia sweep runs/grammar --retry

      pythia sweep runs/grammar --on slurm --slurm partition=cpu,time=2:00:00,cpus=8
    """
    where = options.open_store(store)
    notices = Notices(quiet=quiet, verbose=verbose)
    given = {
        "perplexity": perplexity, "surprisal": surprisal, "pairs": pairs, "choices": choices,
        "memorize": memorize, "icl": icl, "heads": heads, "weights": weights, "eval": eval,
    }  # fmt: skip
    how_opened = {name: True for name in _HOW_OPENED if _is_typed(context, name)}
    asked = options.first_given(
        **{**given, "checkpoint": steps, "model": models, "set": settings, **how_opened}
    )
    if plan is not None and asked is not None:
        raise CommandError(f"{asked} and --plan exclude each other", "name it in the plan")
    place = _place(on, slurm, shard, detach=detach)
    from pythia_cli.cli.sweep_running import dry_run as show
    from pythia_cli.cli.sweep_running import run_and_report
    from pythia_cli.sweeps.folder import SweepFolder
    from pythia_cli.sweeps.kept_options import KeptOptions, keep_options, read_kept_options
    from pythia_cli.sweeps.sweep import HowToRun

    found = SweepFolder(folder)
    wanted, beside = _wanted(plan, models, steps, given, settings)
    if wanted is not None:
        if plan is None:
            wanted = replace(wanted, precision=precision, dtype=dtype, plain_text=plain_text)
        made = _made(wanted, where, notices, plan)
        kept = KeptOptions()
    else:
        if asked is not None:
            raise CommandError(
                f"{asked} without a measure",
                f"pythia sweep {shlex.quote(str(folder))} {asked} ... --pairs FILES",
            )
        made = found.read_plan()
        kept = read_kept_options(found)
    if keep_under is None:
        keep_under = beside.get("keep_under", kept.keep_under)
    if certify is None:
        certify = beside.get("certify", None if kept.certify is None else Path(kept.certify))
    how = HowToRun(
        keep_under=_bytes(keep_under),
        shard=_shard(shard),
        retry=retry,
        certifier=options.certifier(certify, notices),
        offline=offline,
        n_threads=threads,
    )
    if dry_run:
        show(found, made, where, how, notices, as_json=as_json)
        return
    if wanted is not None:
        _note_changes(found, made, notices)
        found.write_plan(made)
    # Standard input cannot be read again.
    text = str(certify.absolute()) if certify is not None and certify.is_file() else None
    keep_options(found, KeptOptions(keep_under, text))
    run_and_report(found, where, how, notices, place, as_json=as_json)


def _is_typed(context: typer.Context, name: str) -> bool:
    """Whether an option was given, even with its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _made(wanted: WantedSweep, store: Store, notices: Notices, plan: Path | None) -> SweepPlan:
    """The plan. Raises as `make_plan`. plan: the file that it is from."""
    from pythia_cli.sweeps.making import make_plan
    from pythia_cli.sweeps.problems import MissingMeasureColumn

    try:
        return make_plan(wanted, store, notices)
    except MissingMeasureColumn as error:
        if plan is not None:
            name = next(iter(error.nearest), "NAME")
            hint = f"{error.option} = '{name}' in {plan}"
            raise CommandError(str(error), hint) from error
        raise


def _note_changes(folder: SweepFolder, plan: SweepPlan, notices: Notices) -> None:
    """Say how many results that are there are not part of the new plan."""
    from pythia_cli.sweeps.problems import NoSweep

    try:
        before = folder.read_plan()
    except NoSweep:
        return
    now = {(cell.checkpoint, cell.name) for one in plan.checkpoints for cell in plan.cells_of(one)}
    n_left = 0
    for checkpoint in before.checkpoints:
        done = folder.finished(checkpoint)
        cells = before.cells_of(checkpoint)
        n_left += sum(c.name in done and (checkpoint, c.name) not in now for c in cells)
    if n_left:
        notices.say(f"{n_left} cells of the plan before are not part of this one; they stay")


def _wanted(
    plan: Path | None,
    models: list[str] | None,
    steps: list[str] | None,
    given: dict[str, list[str] | None],
    settings: list[str] | None,
) -> tuple[WantedSweep | None, dict[str, Any]]:
    """What is asked for, by a file or by options; None if nothing is."""
    from pythia_cli.sweeps.making import WantedSweep, read_plan_file

    if plan is not None:
        return read_plan_file(plan)
    measures = list(_measures(given, settings or []))
    if not measures:
        return None, {}
    return WantedSweep(models or [], None if steps is None else ",".join(steps), measures), {}


def _measures(given: dict[str, list[str] | None], settings: Sequence[str]) -> list[WantedMeasure]:
    from pythia_cli.sweeps.making import WantedMeasure

    chosen: dict[str, dict[str, str]] = {name: {} for name, inputs in given.items() if inputs}
    for setting in settings:
        left, is_set, value = setting.partition("=")
        name, dot, option = left.partition(".")
        if not (is_set and dot and option):
            raise CommandError(
                f"{setting!r} sets no option of a measure", "--set surprisal.column=sentence"
            )
        if name not in chosen:
            raise CommandError(f"{setting!r} is of a measure that is not taken", f"--{name} FILES")
        chosen[name][option] = value
    return [WantedMeasure(name, given[name] or [], how) for name, how in chosen.items()]


def _place(
    on: str | None, slurm: list[str] | None, shard: str | None, *, detach: bool
) -> Place | None:
    """The cluster to run on; None for this process."""
    if on is None:
        if (asked := options.first_given(slurm=slurm, detach=detach)) is not None:
            raise CommandError(f"{asked} without --on slurm", "--on slurm")
        return None
    if shard is not None:
        raise CommandError("--shard and --on exclude each other", "--on alone, which shares it out")
    return Place(on, slurm_options(slurm or []), detach)


def _bytes(text: str | None) -> int | None:
    return None if text is None else n_bytes_of(str(text))


def _shard(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    i, slash, n = text.partition("/")
    if not (slash and i.isdecimal() and n.isdecimal() and 1 <= int(i) <= int(n)):
        raise CommandError(f"{text!r} is no share of the checkpoints", "--shard 1/4")
    return int(i), int(n)
