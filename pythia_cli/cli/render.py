"""What people see: notices, progress, coloured text. The only file that imports rich."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TextIO

from pythia_cli.text.printable import visible

if TYPE_CHECKING:
    from rich.progress import Progress


class Notices:
    """Lines for people. `quiet` drops them all, `verbose` adds details."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self._quiet = quiet
        self._verbose = verbose and not quiet
        self._bars: Progress | None = None

    def say(self, text: str) -> None:
        """One line."""
        if not self._quiet:
            with contextlib.suppress(OSError), self.aside():
                print(visible(text), file=sys.stderr, flush=True)

    def note(self, text: str) -> None:
        """One line: what a Reporter does with a notice of the library's."""
        self.say(text)

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """With the bars off the screen, so that lines can be written there as they are."""
        if self._bars is None:
            yield
            return
        self._bars.stop()
        try:
            yield
            sys.stdout.flush()
        finally:
            _start_anew(self._bars)

    def waiting(self, what: str) -> None:
        """That another process is at work, and we wait for it."""
        self.say(f"waiting for another pythia, which works on {what}")

    def detail(self, text: str) -> None:
        """One line, with --verbose only."""
        if self._verbose:
            self.say(text)

    @contextlib.contextmanager
    def progress(self, label: str, total: int, unit: str) -> Iterator[Callable[[int], None]]:
        """A bar with rate and time left on a live terminal only; to be called with amounts.

        One begun while another is shown stands below it.
        """
        if self._quiet or not animated():
            yield lambda amount: None
            return
        outermost = self._bars is None
        if self._bars is None:
            self._bars = _new_bars()
        bars = self._bars

        def advance(amount: int) -> None:
            with contextlib.suppress(KeyError):  # a thread may go on for longer than its bar
                bars.advance(task, amount)

        try:
            if outermost:
                bars.start()
            task = bars.add_task(label, total=total, unit=unit)
            yield advance
        finally:
            if outermost:
                bars.stop()
                bars.console.show_cursor(True)  # whatever an interrupt has left undone
                self._bars = None
            else:
                bars.remove_task(task)


_PAINTS = ("dim", "", "yellow", "bold dark_orange", "bold underline red")
_MARKED_FROM = 3  # of the levels, where there are no colours


def paint(pieces: Iterable[tuple[str, int, float | None]], bounds: Sequence[float]) -> None:
    """Write texts to stdout, coloured by level 0, 1, ..; each with its bits, for terminals without.

    There, and in pipes, those of the upper levels are followed by their bits in braces; white space
    is named in them, as it would not be seen: its bits are no word's.
    """
    if sys.stdout.isatty():
        pieces = ((visible(piece), level, bits) for piece, level, bits in pieces)
    if animated(sys.stdout):
        from rich.console import Console
        from rich.text import Text

        console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
        text = Text(end="")
        for piece, level, _ in pieces:
            text.append(piece, style=_PAINTS[level])
        console.print(text, end="" if text.plain.endswith("\n") else "\n")
        legend = Text("bits a token: ")
        for level, style in enumerate(_PAINTS):
            told = f"from {bounds[level - 1]:g}" if level else f"less than {bounds[0]:g}"
            legend.append(told, style=style)
            legend.append("  ")
        console.print(legend)
        return
    piece = ""
    for piece, level, bits in pieces:
        body, mark = piece.rstrip(), ""
        if level >= _MARKED_FROM and bits is not None:
            mark = f"{{{bits:.1f}}}" if body else f"{{{piece!r} {bits:.1f}}}"
        sys.stdout.write(f"{body}{mark}{piece[len(body) :]}")
    if not piece.endswith("\n"):
        sys.stdout.write("\n")


_NARROW = 60  # columns, below which a bar tells neither rate nor time left


def _new_bars() -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.table import Column
    from rich.text import Text

    class RateColumn(ProgressColumn):
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(_rate(speed, task.fields["unit"]) if speed else "")

    console = Console(stderr=True)
    whole = Column(no_wrap=True)
    columns = [
        TextColumn("{task.description}", table_column=whole),
        BarColumn(bar_width=None),
        TextColumn("{task.percentage:>3.0f}%", table_column=whole),
    ]
    if console.width >= _NARROW:
        columns += [RateColumn(table_column=whole), TimeRemainingColumn()]
    # Redirected, lines would be broken between words, and stdout's written to stderr.
    return Progress(
        *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
    )


def _start_anew(bars: Progress) -> None:
    """After a stop: the display it had would first go up by its height, over other lines."""
    from rich.live import Live

    bars.live = Live(
        console=bars.console,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        get_renderable=bars.get_renderable,
    )
    bars.start()


def cells(text: str) -> int:
    """How many columns of a terminal it takes: East Asian characters take two."""
    if text.isascii():
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def animated(stream: TextIO | None = None) -> bool:
    """Whether this stream (stderr, where none is given) is a terminal that knows escapes."""
    return (stream or sys.stderr).isatty() and os.environ.get("TERM", "") not in ("", "dumb")


def _rate(speed: float, unit: str) -> str:
    """412 MB/s, 99.2 M weights/s."""
    thousands = min(int(math.log10(max(speed, 1))) // 3, 3)
    prefix = ("", "k", "M", "G")[thousands]
    gap = " " if prefix and unit != "B" else ""
    return f"{speed / 1000**thousands:.3g} {prefix}{gap}{unit}/s"
