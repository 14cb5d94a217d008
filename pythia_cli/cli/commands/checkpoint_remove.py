"""`pythia checkpoint remove`: removes installed checkpoints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from pythia_cli import settings
from pythia_cli.cli import completing, options
from pythia_cli.cli.errors import CommandError
from pythia_cli.cli.output import Notices
from pythia_cli.cli.sizes import n_bytes_of

if TYPE_CHECKING:
    from pythia_cli.checkpoints.store import Installed


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
            help="Remove least recently used checkpoints, of any model, until at most this size"
            " (20GB) is left.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Do not ask.")] = False,
    wait: options.Wait = settings.WAIT_SECONDS,
    store: options.StoreFolder = None,
    quiet: options.Quiet = False,
) -> None:
    """Remove installed checkpoints. Running commands can go on using them.

    Examples:

      pythia checkpoint remove 64,512

      pythia checkpoint remove --keep-under 20GB --yes
    """
    from pythia_cli.checkpoints.publish import remove as remove_one
    from pythia_cli.checkpoints.resolve import choose_installed
    from pythia_cli.checkpoints.room import least_recently_used
    from pythia_cli.errors import NotInstalled
    from pythia_cli.suite.checkpoint import split_name

    notices = Notices(quiet=quiet)
    where = options.open_store(store)
    named = model is not None and split_name(model)[1] is not None
    if (keep_under is None) == (not steps and not named):
        raise CommandError("give either STEPS or --keep-under SIZE")
    if keep_under is not None:
        chosen = least_recently_used(where.installed(), n_bytes_of(keep_under))
    else:
        chosen = choose_installed(steps or [], model, where)
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
            remove_one(where, installed.checkpoint, wait_seconds=wait)
        except NotInstalled:
            notices.say(f"{installed.checkpoint} was already removed")
            continue
        notices.say(f"removed {installed.checkpoint}: {n_bytes / 1e6:,.1f} MB")
        if installed.checkpoint == active:
            notices.say(
                f"{active} was the active checkpoint; choose another: pythia checkpoint use STEP"
            )


def _agreed(chosen: list[Installed]) -> bool:
    """Ask the user. Raises CommandError if there is no terminal."""
    names = ", ".join(str(installed.checkpoint) for installed in chosen[:8])
    more = f" and {len(chosen) - 8} more" if len(chosen) > 8 else ""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise CommandError(f"would remove {names}{more}", hint="add --yes")
    n_bytes = sum(installed.n_bytes() for installed in chosen)
    print(f"remove {names}{more} ({n_bytes / 1e6:,.1f} MB)? [y/N]: ", end="", file=sys.stderr)
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
