"""`pythia doctor`: this machine as pythia sees it, and what to mend."""

from __future__ import annotations

import json
import shutil
import textwrap
from typing import TYPE_CHECKING

import typer

from pythia_cli.cli import engine, opening, options
from pythia_cli.cli.render import Notices

if TYPE_CHECKING:
    from pythia_cli.diagnostics.doctor import Finding


def doctor(
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Look at the processor, memory, store, kernels and the Hub, and say what to mend.

    Takes some seconds, and changes nothing.

    Examples:

      pythia doctor

      pythia doctor --json | jq '.findings[] | select(.problem)'
    """
    where = opening.open_store(store)
    n_threads = engine.choose_threads(threads)
    notices = Notices(quiet=quiet, verbose=False)
    from pythia_cli.diagnostics.doctor import LOOKS, examine

    found = []
    with notices.progress("looking", len(LOOKS), "things") as progress:
        found = list(examine(where, n_threads, progress))
    n_problems = sum(finding.problem is not None for finding in found)
    if as_json:
        findings = [finding.to_dict() for finding in found]
        typer.echo(json.dumps({"ok": n_problems == 0, "findings": findings}))
        return
    width = shutil.get_terminal_size().columns
    for finding in found:
        typer.echo(_told(finding, width))
    many = f"{n_problems} problems" if n_problems > 1 else "1 problem"
    typer.echo("nothing to mend" if n_problems == 0 else many)


def _told(finding: Finding, width: int) -> str:
    """What was found, and below it the problem and how to mend it; in lines of this width."""
    left = max(map(len, ("active checkpoint", "memory bandwidth"))) + 2
    if width < 60:
        left = 2
    mark = "!" if finding.problem else " "
    lines = [finding.value]
    if finding.problem:
        lines.append(finding.problem)
    if finding.hint and finding.problem:
        lines.append(f"try: {finding.hint}")
    head = f"{mark} {finding.name}"
    told = [head] if left == 2 else []
    for line in lines:
        for part in textwrap.wrap(
            line, max(width - left - 2, 20), break_long_words=False, break_on_hyphens=False
        ):
            told.append(f"{'' if told or left == 2 else head:<{left + 2}}{part}")
    return "\n".join(told)
