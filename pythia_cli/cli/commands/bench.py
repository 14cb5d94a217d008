"""`pythia bench`: how fast a checkpoint is on this machine."""

from __future__ import annotations

import json
import platform
import sys
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pythia_cli.cli import engine, opening, options
from pythia_cli.cli.render import Notices
from pythia_cli.release import __version__

if TYPE_CHECKING:
    from pythia_cli.diagnostics.bench import Figures

_LIBRARIES = ("numpy", "numba", "llvmlite")


def bench(
    model: options.Model = None,
    checkpoint: options.Step = None,
    rounds: Annotated[
        int, typer.Option(min=1, metavar="N", help="Measure so many times; the medians are told.")
    ] = 3,
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Measure how fast a checkpoint decodes, prefills and scores here.

    And how fast this machine reads memory, which is what decoding has to wait for. Figures are
    those of a machine with nothing else to do.

    Examples:

      pythia bench -m pythia-410m

      pythia bench -t 1 --json | jq .decode_tokens_per_second
    """
    opened_store = opening.open_store(store)
    notices = Notices(quiet=quiet, verbose=False)
    opened = opening.open_checkpoint(model, checkpoint, opened_store, notices)
    n_threads = engine.choose_threads(threads)
    transformer = engine.open_transformer(opened.file, n_threads, notices)
    from pythia_cli.diagnostics import bench as measuring

    n_steps = (1 + rounds) * measuring.N_STEPS
    with notices.progress("measuring", n_steps, "figures") as progress:
        figures = measuring.measure(opened.file, transformer, n_threads, rounds, progress)
    if as_json:
        record = {
            **opened.provenance(),
            "threads": n_threads,
            "rounds": rounds,
            **figures.to_dict(),
            "versions": _versions(),
        }
        sys.stdout.write(json.dumps(record) + "\n")
    else:
        name = " ".join(part for part in opened.name().values() if part)
        counted = f"{n_threads} thread{'s' * (n_threads > 1)}"
        told = "1 round" if rounds == 1 else f"medians of {rounds} rounds"
        sys.stdout.write(f"{name}, int8, {counted}, {told}\n{_table(figures)}")
    sys.stdout.flush()


def _table(figures: Figures) -> str:
    tokens = "tokens/s"
    rows: list[tuple[str, float, str]] = [
        ("reading memory", figures.read_gb_per_second, "GB/s"),
        (
            f"decode, {figures.n_new} tokens after {figures.n_prompt}",
            figures.decode_tokens_per_second,
            f"{tokens}, {100 * figures.bandwidth_share:.0f} % of reading memory",
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
    values = [f"{value:.1f}" for _, value, _ in rows]
    left, right = max(len(row[0]) for row in rows), max(map(len, values))
    return "".join(
        f"{label:{left}}  {value:>{right}} {unit}\n"
        for (label, _, unit), value in zip(rows, values, strict=True)
    )


def _versions() -> dict[str, Any]:
    from importlib.metadata import version

    libraries = {name: version(name) for name in _LIBRARIES}
    return {"pythia": __version__, "python": platform.python_version(), **libraries}
