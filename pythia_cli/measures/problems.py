"""What is wrong with what a measure is given. Branches of the tree in errors.py."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pythia_cli.errors import InputError


class NoWindows(InputError):
    """No text is as long as a window. Carries how many tokens each has, and how many that needs."""

    def __init__(self, source: str | Path, n_tokens: Sequence[int], n_needed: int) -> None:
        least, most = min(n_tokens), max(n_tokens)
        has = "has" if len(n_tokens) == 1 else "have"
        size = f"{most}" if least == most else f"{least} to {most}"
        super().__init__(source, f"{has} {size} tokens; a window needs {n_needed}")
        self.n_tokens, self.n_needed = list(n_tokens), n_needed
