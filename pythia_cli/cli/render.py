"""What people see on stderr: notices, progress, tables. The only file that imports rich."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator


class Notices:
    """Lines for people. `quiet` drops them all, `verbose` adds details."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self._quiet = quiet
        self._verbose = verbose and not quiet

    def say(self, text: str) -> None:
        """One line."""
        if not self._quiet:
            with contextlib.suppress(OSError):
                print(text, file=sys.stderr, flush=True)

    def detail(self, text: str) -> None:
        """One line, with --verbose only."""
        if self._verbose:
            self.say(text)

    @contextlib.contextmanager
    def progress(self, label: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        """A bar with rate and time left on a live terminal only; to be called with amounts."""
        if self._quiet or not animated():
            yield lambda amount: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        with bar:
            task = bar.add_task(label, total=total, rate="")

            def advance(amount: int) -> None:
                bar.advance(task, amount)
                speed = bar.tasks[0].finished_speed or bar.tasks[0].speed
                if speed:
                    bar.update(task, rate=f"{_short(speed)} {unit}/s")

            yield advance


def animated() -> bool:
    """Whether stderr is a terminal that can redraw a line."""
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def _short(number: float) -> str:
    for suffix in ("", "k", "M"):
        if number < 1000:
            return f"{number:.3g}{suffix}"
        number /= 1000
    return f"{number:.3g}G"
