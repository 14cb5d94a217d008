"""Where a sweep runs, as --on and --slurm say it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from pythia_cli.cli.errors import CommandError

_SETUP = "setup"


class Place(NamedTuple):
    """A cluster. on, slurm, detach: as for `run_on` of the library."""

    on: str
    slurm: dict[str, Any]
    detach: bool


def slurm_options(given: Sequence[str]) -> dict[str, Any]:
    """The options of each --slurm KEY=VALUE,KEY=VALUE.

    A comma that no KEY= follows belongs to the value, as in nodelist=n1,n2. setup, a command for
    the shell, stands alone, and may be given several times.
    """
    found: dict[str, Any] = {}
    for text in given:
        name, _, command = text.partition("=")
        if name.strip() == _SETUP:
            found.setdefault(_SETUP, []).append(command)
            continue
        last = None
        for part in text.split(","):
            key, is_set, value = part.partition("=")
            if is_set and key.strip():
                last = key.strip()
                found[last] = value
            elif last is None:
                raise CommandError(
                    f"{text!r} sets no option of Slurm", "--slurm partition=cpu,time=2:00:00"
                )
            else:
                found[last] += f",{part}"
    return found
