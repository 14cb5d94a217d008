"""Notices and progress bars on stderr, and properties of the terminal."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

from pythia_cli import settings
from pythia_cli.reporting import NO_TASK, Bars, Task
from pythia_cli.text.printable import one_line

if TYPE_CHECKING:
    from pythia_cli.checkpoints.store import Installed


class Notices(Bars):
    """The command line's Reporter. quiet: no notices. verbose: also details.

    Shows progress bars on a terminal only.
    """

    def __init__(self, *, quiet: bool = False, verbose: bool = False) -> None:
        super().__init__(sys.stderr)
        self.is_quiet = quiet
        self._verbose = verbose and not quiet

    def say(self, text: str) -> None:
        """Print a line, unless quiet."""
        if not self.is_quiet:
            # A failure of stdout, which is flushed before, is not suppressed.
            with self.aside(), contextlib.suppress(OSError):
                print(one_line(text), file=self._stream, flush=True)

    def note(self, text: str) -> None:
        """As Reporter.note."""
        self.say(text)

    def detail(self, text: str) -> None:
        """Print a line, with --verbose only."""
        if self._verbose:
            self.say(text)

    def task(self, label: str, total: int, unit: str) -> Task:
        """As Reporter.task."""
        if self.is_quiet or not animated(sys.stderr):
            return NO_TASK
        return super().task(label, total, unit)

    def others_silenced(self) -> contextlib.AbstractContextManager[None]:
        """As Reporter.others_silenced: nothing is printed but by us; warnings become details."""
        from pythia_cli.cli.quiet_library import quietly

        return quietly(self)

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Hide the bars while the block prints."""
        with self.paused():
            yield
            sys.stdout.flush()


def animated(stream: TextIO) -> bool:
    """Whether this stream is a terminal that understands escape sequences."""
    return stream.isatty() and settings.terminal() not in ("", "dumb")


def is_file(stream: TextIO) -> bool:
    """Whether this stream goes to a regular file."""
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # it has no descriptor
        return False


def can_write(characters: str, stream: TextIO) -> bool:
    """Whether a stream takes these characters, by its encoding."""
    try:
        characters.encode(stream.encoding or "ascii")
    except (LookupError, UnicodeEncodeError):
        return False
    return True


def columns() -> int:
    """The width of the terminal."""
    return shutil.get_terminal_size().columns


def say_installed(installed: Installed, notices: Notices) -> None:
    """Print the size and folder of a new checkpoint, and its certificate."""
    n_bytes = installed.weights.stat().st_size
    notices.say(f"installed {installed.checkpoint}: {n_bytes / 1e6:.1f} MB in {installed.folder}")
    certificate = installed.certificate
    if certificate is not None:
        notices.say(
            f"int8 against float32 on {certificate['n_tokens']} tokens of"
            f" {certificate['text_name']}: {_error(certificate)}"
        )
        if "fast" in certificate:
            notices.say(f"with --precision fast: {_error(certificate['fast'])}")


def _error(figures: dict[str, Any]) -> str:
    """The quantization error in words."""
    return (
        f"nll {figures['delta_nll']:+.2g} nats a token,"
        f" KL mean {figures['kl_mean']:.2g}, median {figures['kl_median']:.2g},"
        f" 99 % {figures['kl_p99']:.2g}, max {figures['kl_max']:.2g},"
        f" top-1 agreement {figures['top1_agreement']:.2%}"
    )
