"""`pythia checkpoint remove`: checkpoints taken off the disk."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pythia_cli.cli import completing, opening, options
from pythia_cli.cli.render import Notices

if TYPE_CHECKING:
    from pythia_cli.checkpoints.store import Installed

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def remove(
    steps: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STEPS...",
            autocompletion=completing.checkpoints,
            help="3000, 0,64,512, 1000:10000, log, all or MODEL@STEP.",
        ),
    ] = None,
    model: options.OfModel = None,
    keep_under: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Remove the least recently used, of all models, until no more than this is left"
            " (20GB).",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    wait: options.Wait = options.WAIT_SECONDS,
    store: options.StoreFolder = None,
    quiet: options.Quiet = False,
) -> None:
    """Remove installed checkpoints. Commands that are running keep what they have open.

    Examples:

      pythia checkpoint remove 64,512

      pythia checkpoint remove --keep-under 20GB --yes
    """
    from pythia_cli.checkpoints.publish import remove as take_away
    from pythia_cli.errors import NotInstalled, UsageError

    notices = Notices(quiet=quiet, verbose=False)
    where = opening.open_store(store)
    if (keep_under is None) == (not steps):
        raise UsageError("say what to remove: STEPS, or --keep-under SIZE")
    if keep_under is not None:
        chosen = _least_used(where.installed(), _n_bytes(keep_under))
    else:
        chosen = opening.choose_installed(steps, model, where)
    if not chosen:
        notices.say("nothing to remove")
        return
    if not yes and not _agreed(chosen):
        notices.say("nothing was removed")
        return
    active = where.active()
    for installed in chosen:
        n_bytes = installed.n_bytes()
        try:
            take_away(where, installed.checkpoint, wait_seconds=wait)
        except NotInstalled:
            notices.say(f"{installed.checkpoint} is gone already")
            continue
        notices.say(f"removed {installed.checkpoint}: {n_bytes / 1e6:,.1f} MB")
        if installed.checkpoint == active:
            notices.say(
                f"{active} was the active checkpoint; choose another: pythia checkpoint use STEP"
            )


def _agreed(chosen: list[Installed]) -> bool:
    """Ask. Raises UsageError where there is nobody to be asked."""
    from pythia_cli.errors import UsageError

    names = ", ".join(str(installed.checkpoint) for installed in chosen[:8])
    more = f" and {len(chosen) - 8} more" if len(chosen) > 8 else ""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"would remove {names}{more}", hint="add --yes")
    n_bytes = sum(installed.n_bytes() for installed in chosen)
    print(f"remove {names}{more} ({n_bytes / 1e6:,.1f} MB)? [y/N]: ", end="", file=sys.stderr)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _n_bytes(text: str) -> int:
    from pythia_cli.errors import UsageError

    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([kmgt]?)b?", text.strip().lower())
    if match is None:
        raise UsageError(f"{text!r} is no size", hint="--keep-under 20GB")
    return int(float(match.group(1)) * _UNITS[match.group(2)])


def _least_used(everything: list[Installed], limit: int) -> list[Installed]:
    """The least recently used, as many as have to go for the others to fit in `limit` bytes."""
    total = sum(installed.n_bytes() for installed in everything)
    chosen = []
    for installed in sorted(everything, key=lambda i: i.last_used()):
        if total <= limit:
            break
        total -= installed.n_bytes()
        chosen.append(installed)
    return chosen
