"""Progress and notices, through one small interface that is silent by default.

`Reporter` does nothing and is the default everywhere. `Bars` shows progress bars and notices in a
terminal or a notebook; the command line uses it too.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Any, TextIO


class Task:
    """A piece of work of known size. A context manager; leaving it ends the task."""

    def advance(self, amount: int) -> None:
        """Add to the amount that is done. May be called from any thread."""

    def __enter__(self) -> Task:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


NO_TASK = Task()


class Reporter:
    """Receives progress and notices from the library. This one ignores them."""

    def task(self, label: str, total: int, unit: str) -> Task:
        """Start a task of `total` units (B, tokens, weights, ...) with this label."""
        return NO_TASK

    def note(self, text: str) -> None:
        """Receive a notice, one line."""

    def others_silenced(self) -> AbstractContextManager[None]:
        """Within this, another library runs that prints; a reporter may keep that from users."""
        return contextlib.nullcontext()


SILENT = Reporter()


class Bars(Reporter):
    """Shows progress as tqdm bars, and notices as lines.

    stream: where to write. None: stderr in a terminal, the page in a notebook.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream
        self._n_bars = 0

    def task(self, label: str, total: int, unit: str) -> Task:
        """As Reporter.task; the bar disappears when the task ends."""
        return _Bar(self, label, total, unit)

    def note(self, text: str) -> None:
        """As Reporter.note; the line appears above the bars."""
        self.tqdm.write(text, file=self._stream or sys.stderr)

    @property
    def tqdm(self) -> Any:
        """The tqdm class of the bars."""
        if self._stream is None:
            from tqdm.auto import tqdm  # knows notebooks
        else:
            from tqdm import tqdm
        return tqdm

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Hide the bars while the block runs."""
        if self._n_bars == 0:
            yield
            return
        with self.tqdm.external_write_mode(file=self._stream):
            yield


_MARGIN = 4  # columns: the terminal's echo of Ctrl-C must not start a new line
_NARROW = 60  # columns; on a narrower terminal bars show neither rate nor time left
_EARLY = 1.0  # seconds; the first pieces say nothing of rate and time left
_SCALED = 10_000  # units; fewer are counted one by one
_NARROW_FORMAT = "{desc} {percentage:3.0f}%|{bar}|"
_EARLY_FORMAT = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}"


class _Bar(Task):
    def __init__(self, bars: Bars, label: str, total: int, unit: str) -> None:
        self._bars = bars
        # Given here, because tqdm draws nothing on a terminal that does not report its size.
        size = shutil.get_terminal_size()
        self._bar: Any = bars.tqdm(
            desc=label,
            total=total,
            unit=unit if unit == "B" else f" {unit}",
            unit_scale=unit == "B" or total >= _SCALED,
            leave=False,
            file=bars._stream,
            ncols=size.columns - _MARGIN if bars._stream else None,
            nrows=size.lines if bars._stream else None,
            bar_format=_NARROW_FORMAT if size.columns < _NARROW else _EARLY_FORMAT,
        )
        self._ends_early = time.monotonic() + _EARLY
        bars._n_bars += 1

    def advance(self, amount: int) -> None:
        """As Task.advance."""
        if self._bar.bar_format == _EARLY_FORMAT and time.monotonic() >= self._ends_early:
            self._bar.bar_format = None
        self._bar.update(amount)

    def __exit__(self, *details: object) -> None:
        self._bars._n_bars -= 1
        self._bar.close()
