"""`pythia doctor`: this machine as pythia sees it, and what to fix."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import typer

from pythia_cli.checkpoints.store import Store
from pythia_cli.cli import options
from pythia_cli.cli.hints import hint_for
from pythia_cli.cli.output import Notices
from pythia_cli.cli.tables import print_columns

if TYPE_CHECKING:
    from pythia_cli.diagnostics.doctor import Finding


def doctor(
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Look at the processor, memory, store, kernels and the Hub, and say what to fix.

    Takes some seconds, and changes nothing.

    Examples:

      pythia doctor

      pythia doctor --json | jq '.findings[] | select(.problem)'
    """
    from pythia_cli.diagnostics.doctor import examine

    notices = Notices(quiet=quiet, verbose=False)
    found = [*examine(Store(store), threads, notices)]
    n_problems = sum(finding.problem is not None for finding in found)
    if as_json:
        findings = [{**finding.to_dict(), "hint": _hint(finding)} for finding in found]
        typer.echo(json.dumps({"ok": n_problems == 0, "findings": findings}))
        return
    rows = []
    for finding in found:
        lines = [finding.value]
        if finding.problem:
            hint = _hint(finding)
            lines += [finding.problem, *([f"try: {hint}"] if hint else [])]
        mark = "!" if finding.problem else " "
        rows.append([f"{mark} {finding.name}", "\n".join(lines)])
    print_columns(rows, ["left", "left"])
    many = f"{n_problems} problems" if n_problems > 1 else "1 problem"
    typer.echo("nothing to fix" if n_problems == 0 else many)


def _hint(finding: Finding) -> str | None:
    """The command that helps."""
    return hint_for(finding.error) if finding.error is not None else finding.remedy
