"""`pythia doctor`: checks this machine, and says what to fix."""

from __future__ import annotations

import json
import sys
import textwrap
from typing import TYPE_CHECKING

import typer

from pythia_cli.cli import options
from pythia_cli.cli.hints import advice, hint_for
from pythia_cli.cli.output import Notices, animated, columns

if TYPE_CHECKING:
    from pythia_cli.diagnostics.doctor import Finding

_NARROW = 60  # columns; on a narrower terminal each name has its own line
_NAMES = 19  # columns for names


def doctor(
    store: options.StoreFolder = None,
    threads: options.Threads = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Check the processor, memory, store, kernels and the Hub, and say what to fix.

    Takes a few seconds and changes nothing.

    Examples:

      pythia doctor

      pythia doctor --json | jq '.findings[] | select(.problem)'
    """
    from pythia_cli.diagnostics.doctor import examine

    notices = Notices(quiet=quiet)
    found = [*examine(options.open_store(store), threads, notices)]
    n_problems = sum(finding.problem is not None for finding in found)
    if as_json:
        findings = [{**finding.to_dict(), "hint": _hint(finding)} for finding in found]
        typer.echo(json.dumps({"ok": n_problems == 0, "findings": findings}))
        return
    for finding in found:
        _print(_in_lines(finding, columns()), "yellow" if finding.problem else "")
    many = f"{n_problems} problems" if n_problems > 1 else "1 problem"
    if n_problems == 0:
        _print("nothing to fix", "green")
    else:
        _print(many, "bold yellow")


def _print(lines: str, style: str) -> None:
    """Print on stdout, coloured in a terminal."""
    if not animated(sys.stdout):
        typer.echo(lines)
        return
    from rich.console import Console

    console = Console(file=sys.stdout, highlight=False, markup=False, soft_wrap=True)
    console.print(lines, style=style)


def _in_lines(finding: Finding, width: int) -> str:
    """The value, then the problem and its hint; wraps lines, but never inside a path."""
    indent = 2 if width < _NARROW else _NAMES
    lines = [finding.value]
    if finding.problem:
        hint = _hint(finding)
        lines += [finding.problem, *([advice(hint)] if hint else [])]
    wrapped = [
        part
        for line in lines
        for part in textwrap.wrap(
            line, max(width - indent - 2, 20), break_long_words=False, break_on_hyphens=False
        )
    ]
    head = f"{'!' if finding.problem else ' '} {finding.name}"
    first = f"{head}\n{' ' * (indent + 2)}" if width < _NARROW else f"{head:<{indent + 2}}"
    return first + f"\n{' ' * (indent + 2)}".join(wrapped)


def _hint(finding: Finding) -> str | None:
    """The command or setting that helps."""
    return hint_for(finding.error) if finding.error is not None else finding.remedy
