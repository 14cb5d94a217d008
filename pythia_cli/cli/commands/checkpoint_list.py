"""`pythia checkpoint list`: installed or published checkpoints, with size and certificate."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pythia_cli.cli import options
from pythia_cli.cli.output import Notices
from pythia_cli.cli.tables import bar, print_table

if TYPE_CHECKING:
    from pythia_cli.checkpoints.store import Installed
    from pythia_cli.suite.checkpoint import Checkpoint

_BAR = 10  # characters, for the largest size


def list_checkpoints(
    available: Annotated[
        bool,
        typer.Option(
            "--available", help="List all published steps of the model, installed or not."
        ),
    ] = False,
    model: Annotated[
        str | None,
        options.model_option(
            "Only this model. Default: all models; with --available, the active one."
        ),
    ] = None,
    store: options.StoreFolder = None,
    as_json: options.Json = False,
) -> None:
    """List the installed checkpoints; * marks the active one.

    Examples:

      pythia checkpoint list

      pythia checkpoint list --available -m pythia-410m
    """
    from pythia_cli.checkpoints.demo import DEFAULT
    from pythia_cli.checkpoints.resolve import choose_installed, resolve_model
    from pythia_cli.errors import PythiaError, UsageError
    from pythia_cli.suite.checkpoint import Checkpoint
    from pythia_cli.suite.known_problems import report_lines
    from pythia_cli.suite.steps import steps_of

    where = options.open_store(store)
    notices = Notices()
    active = where.active() or DEFAULT
    if available:
        everything = {i.checkpoint: i for i in where.installed()}
        named = resolve_model(model, where)
        steps = steps_of(named)
        if steps is None:
            raise UsageError(f"the published steps of {named} are not known")
        wanted = [Checkpoint(named, step) for step in steps]
        for line in report_lines(wanted):
            notices.say(line)
    else:
        everything = {i.checkpoint: i for i in choose_installed([], model, where)}
        wanted = list(everything)
    if not wanted:
        what = "no checkpoint" if model is None else f"no checkpoint of {model}"
        notices.say(
            f"{what} is installed in {where.folder} yet; the built-in demo needs no download"
        )
    for folder in where.unreadable():
        notices.say(f"{folder} cannot be read; its checkpoints are not listed")
    rows = []
    for checkpoint in wanted:
        try:
            record = _record(checkpoint, everything.get(checkpoint), active)
        except (PythiaError, OSError) as error:
            notices.say(f"{checkpoint}: {error}")  # a damaged one does not hide the others
            continue
        if as_json:
            typer.echo(json.dumps(record))
        else:
            rows.append(_row(checkpoint, record))
    if rows and sys.stdout.isatty():
        _print_table(rows)
    else:
        for row in rows:
            typer.echo(_line(row))


def _record(
    checkpoint: Checkpoint, installed: Installed | None, active: Checkpoint
) -> dict[str, Any]:
    from pythia_cli.suite.known_problems import reports_about

    return {
        **checkpoint.to_dict(),
        "installed": installed is not None,
        "n_bytes": installed.n_bytes() if installed is not None else None,
        "active": checkpoint == active,
        "certificate": installed.certificate if installed is not None else None,
        "folder": str(installed.folder) if installed is not None else None,
        "reported": [str(report) for report in reports_about(checkpoint)],
    }


@dataclass(frozen=True)
class _Row:
    """The texts shown for one checkpoint; empty if there is nothing to show."""

    name: str
    n_bytes: int
    size: str
    seen: str
    certificate: tuple[str, str, str]  # KL, difference of nll, top-1 agreement


def _row(checkpoint: Checkpoint, record: dict[str, Any]) -> _Row:
    n_bytes, seen = record["n_bytes"], record["tokens_seen"]
    certificate = record["certificate"]
    return _Row(
        f"{'*' if record['active'] else ' '} {checkpoint}",
        n_bytes or 0,
        f"{n_bytes / 1e6:,.1f} MB" if n_bytes is not None else "-",
        f"{seen / 1e9:.3f} G tokens" if seen is not None else "",
        (
            _figure(certificate, "kl_mean", ".2g"),
            _figure(certificate, "delta_nll", "+.2g"),
            _figure(certificate, "top1_agreement", ".2%"),
        )
        if certificate
        else ("", "", ""),
    )


def _figure(certificate: dict[str, Any], field: str, how: str) -> str:
    """A figure of the certificate; a question mark if it is missing."""
    value = certificate.get(field)
    return format(value, how) if isinstance(value, float | int) else "?"


def _line(row: _Row) -> str:
    """A line for pipes. Its format does not depend on other rows."""
    kl, nll, top1 = row.certificate
    figures = f"  KL {kl}  delta nll {nll}  top-1 {top1}" if kl else ""
    return f"{row.name:<26} {row.size:>12}  {row.seen:>16}{figures}".rstrip()


def _print_table(rows: list[_Row]) -> None:
    """For a terminal: with a bar for each size, relative to the largest."""
    largest = max(row.n_bytes for row in rows)
    encoding = sys.stdout.encoding
    heads = ["checkpoint", "size", " " * _BAR, "seen", "KL", "delta nll", "top-1"]
    cells = [
        [
            row.name,
            row.size,
            bar(row.n_bytes / largest, _BAR, encoding) if row.n_bytes and len(rows) > 1 else "",
            row.seen,
            *row.certificate,
        ]
        for row in rows
    ]
    print_table(heads, cells, ["top-1", "delta nll", "seen", "KL", heads[2]])
