"""`pythia bench`: measures how fast a checkpoint is on this machine."""

from __future__ import annotations

import json
import platform
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pythia_cli.cli import opening, options
from pythia_cli.cli.output import Notices
from pythia_cli.cli.tables import print_columns
from pythia_cli.release import __version__, arithmetic_of

if TYPE_CHECKING:
    from pythia_cli.diagnostics.bench import Figures

_LIBRARIES = ("numpy", "numba", "llvmlite")


def bench(
    model: options.Model = None,
    checkpoint: options.Step = None,
    rounds: Annotated[
        int, typer.Option(min=1, metavar="N", help="Measure N times and show medians.")
    ] = 3,
    precision: options.Precision = "exact",
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure how fast a checkpoint decodes, prefills and scores on this machine.

    Also measures how fast its weights can be read, which limits decoding. Close other programs
    first: they lower the figures.

    Examples:

      pythia bench -m pythia-410m

      pythia bench -t 1 --json | jq .decode_tokens_per_second
    """
    from pythia_cli.diagnostics.bench import measure

    notices = Notices(quiet=quiet)
    where = options.open_store(store)
    with opening.open_model(
        model, checkpoint, where, notices, precision=precision, threads=threads
    ) as opened:
        figures = measure(opened, rounds)
        if as_json:
            record = {
                **opened.opened.provenance(),
                "precision": precision,
                **arithmetic_of(precision),
                "threads": opened.n_threads,
                "rounds": rounds,
                **figures.to_dict(),
                "versions": _versions(),
            }
            sys.stdout.write(json.dumps(record) + "\n")
        else:
            n_threads = f"{opened.n_threads} thread{'s' * (opened.n_threads > 1)}"
            n_rounds = "1 round" if rounds == 1 else f"medians of {rounds} rounds"
            typer.echo(f"{opening.model_name(opened)}, int8, {precision}, {n_threads}, {n_rounds}")
            print_columns(_rows(figures), ["left", "right", "left"])
    sys.stdout.flush()


def _rows(figures: Figures) -> list[list[str]]:
    tokens = "tokens/s"
    rows: list[tuple[str, float, str]] = [
        ("reading the weights", figures.read_gb_per_second, "GB/s"),
        (
            f"decode, {figures.n_new} tokens after {figures.n_prompt}",
            figures.decode_tokens_per_second,
            f"{tokens}, {100 * figures.bandwidth_share:.0f} % of reading the weights",
        ),
        (
            f"decode, the last {figures.n_late} of the context",
            figures.late_decode_tokens_per_second,
            tokens,
        ),
        (
            f"decode, {figures.n_together} texts together",
            figures.together_tokens_per_second,
            tokens,
        ),
        (f"prefill, {figures.n_window} tokens", figures.prefill_tokens_per_second, tokens),
        (f"scoring, {figures.n_window} tokens", figures.score_tokens_per_second, tokens),
    ]
    return [[label, f"{value:.1f}", unit] for label, value, unit in rows]


def _versions() -> dict[str, Any]:
    from importlib.metadata import version

    libraries = {name: version(name) for name in _LIBRARIES}
    return {"pythia": __version__, "python": platform.python_version(), **libraries}
