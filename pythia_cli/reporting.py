"""Progress and notices: one small interface, silent unless somebody asks.

`Reporter` does nothing and is the default everywhere. `Bars` shows progress bars and notices, in a
terminal or a notebook; the command line uses it too.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, TextIO


class Task:
    """A piece of work of known size. A context manager: leaving it ends the task."""

    def advance(self, amount: int) -> None:
        """So much more is done. May be called from any thread."""

    def __enter__(self) -> Task:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


class Reporter:
    """What the library tells while it works. This one tells nobody."""

    def task(self, label: str, total: int, unit: str) -> Task:
        """A task begins: `total` units (B, tokens, weights, ...) under this label."""
        return Task()

    def note(self, text: str) -> None:
        """One line worth knowing."""


SILENT = Reporter()


class Bars(Reporter):
    """Progress bars by tqdm, and notices as lines, in the notebook or on a stream (stderr)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    def task(self, label: str, total: int, unit: str) -> Task:
        """As Reporter.task; the bar disappears when the task ends."""
        return _Bar(label, total, unit, self._stream)

    def note(self, text: str) -> None:
        """As Reporter.note; bars make room for the line."""
        from tqdm.auto import tqdm

        tqdm.write(text, file=self._stream)


class _Bar(Task):
    def __init__(self, label: str, total: int, unit: str, stream: TextIO | None) -> None:
        from tqdm.auto import tqdm

        spaced = unit if unit == "B" else f" {unit}"
        self._bar: Any = tqdm(
            desc=label, total=total, unit=spaced, unit_scale=True, leave=False, file=stream,
            dynamic_ncols=True,
        )  # fmt: skip

    def advance(self, amount: int) -> None:
        self._bar.update(amount)

    def __exit__(self, *details: object) -> None:
        self._bar.close()
