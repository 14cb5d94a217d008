"""Sizes as people type them."""

from __future__ import annotations

import re

from pythia_cli.cli.errors import CommandError

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}


def n_bytes_of(text: str) -> int:
    """Bytes of 20GB, 500MB, 1.5g or 1000. Raises CommandError."""
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([kmgt]?)b?", text.strip().lower())
    if match is None:
        raise CommandError(f"{text!r} is not a size", hint="--keep-under 20GB")
    return int(float(match.group(1)) * _UNITS[match.group(2)])
