"""What tells processors apart for which kernels are compiled differently."""

from __future__ import annotations

import contextlib
import platform
import sys
from pathlib import Path

from pythia_cli.jit import amx

_CPUINFO = Path("/proc/cpuinfo")
_FIELDS = ("vendor_id", "cpu family", "model", "stepping", "flags")


def of_processor() -> tuple[str, ...]:
    """As the operating system describes it, where that says what LLVM goes by; else as LLVM does.

    LLVM is a tenth of our memory and of the time to the first token, so it is not imported to ask.
    A program that hides features from processes, as emulators do, needs a cache of its own.
    """
    if sys.platform == "linux" and platform.machine() == "x86_64":
        with contextlib.suppress(OSError):
            fields = _first_processor(_CPUINFO)
            if all(name in fields for name in _FIELDS):
                has_amx = "amx_tile" in fields["flags"].split() and amx.is_permitted()
                described = (fields[name] for name in _FIELDS)
                return ("linux x86_64", *described, "with AMX" if has_amx else "without AMX")
    from pythia_cli.jit import processor

    features = sorted(processor.features().items())
    return (processor.triple(), processor.name(), repr(features))


def _first_processor(path: Path) -> dict[str, str]:
    """The fields of the first processor. The rest is not read: it takes a while for many."""
    fields = {}
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            name, colon, value = line.partition(":")
            if not colon:
                break
            fields[name.strip()] = value.strip()
    return fields
