"""Decodes bytes; holds back partial characters and possible stop texts."""

from __future__ import annotations

import codecs
from collections.abc import Iterable


class TextStream:
    """Bytes in, text out. Holds back partial characters, and text that may begin a stop text.

    stop: texts that are not empty.
    """

    def __init__(self, stop: Iterable[str]) -> None:
        self._stop = tuple(stop)
        # Invalid UTF-8 becomes U+FFFD, as in the tokenizers library.
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._held = ""
        self.stopped = False

    def feed(self, data: bytes, *, last: bool = False) -> str:
        """Add bytes; returns the text that is now complete. Stops before a stop text."""
        if self.stopped:
            return ""
        self._held += self._decoder.decode(data, final=last)
        found = [at for text in self._stop if (at := self._held.find(text)) >= 0]
        if found:
            self.stopped = True
            text, self._held = self._held[: min(found)], ""
            return text
        n_held = 0 if last else self._undecided()
        cut = len(self._held) - n_held
        text, self._held = self._held[:cut], self._held[cut:]
        return text

    def _undecided(self) -> int:
        """Length of the longest end of the held text that is the beginning of a stop text."""
        longest = max((len(text) for text in self._stop), default=0) - 1
        for n in range(min(longest, len(self._held)), 0, -1):
            if any(text.startswith(self._held[-n:]) for text in self._stop):
                return n
        return 0
