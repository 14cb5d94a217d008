"""Says what is waited for when a file or standard input gives nothing for a second."""

from __future__ import annotations

import threading
import time

from pythia_cli.cli.output import Notices

_SILENT_SECONDS = 1.0


class Waiting:
    """A context manager around reading. Once, after a second without data, prints a notice."""

    def __init__(self, notices: Notices, text: str) -> None:
        self._notices, self._text = notices, text
        self._over = threading.Event()
        self._last = time.monotonic()

    def arrived(self) -> None:
        """Some data came: the second begins again."""
        self._last = time.monotonic()

    def __enter__(self) -> Waiting:
        if not self._notices.is_quiet:
            threading.Thread(target=self._watch, daemon=True, name="pythia-waiting").start()
        return self

    def __exit__(self, *details: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        while (left := self._last + _SILENT_SECONDS - time.monotonic()) > 0:
            if self._over.wait(left):
                return
        self._notices.say(self._text)
