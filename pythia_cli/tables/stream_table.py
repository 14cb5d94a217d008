"""Tables that are written to a stream, such as standard output."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, TextIO

from pythia_cli.files.writing import writing_errors
from pythia_cli.tables.encoders import Encoder
from pythia_cli.tables.kinds import Kind
from pythia_cli.tables.progress import TableProgress


class StreamTable:
    """Writes rows as they come; each batch is flushed.

    progress: what was written. is_own: close the stream at the end.
    """

    def __init__(
        self,
        stream: TextIO,
        columns: Mapping[str, Kind],
        begun: TableProgress,
        encoder: Encoder,
        *,
        is_own: bool = False,
    ) -> None:
        self.columns, self.progress = columns, begun
        self._stream, self._encoder, self._is_own = stream, encoder, is_own
        self._is_begun = False

    def write(self, records: Iterable[Mapping[str, Any]], progress: TableProgress) -> None:
        """Write rows. progress: what is done with them. Raises OSError."""
        text = "".join(map(self._encoder.row, records))
        if text:
            self._begin()
            self._stream.write(text)
            self._stream.flush()
        self.progress = replace(progress, n_bytes=self.progress.n_bytes + len(text))

    def _begin(self) -> None:
        """Write the header, before the first row: where there is none, an error stands alone."""
        if not self._is_begun:
            self._stream.write(self._encoder.header())
            self._is_begun = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        if kind is None:
            self._begin()
        if self._is_own:
            self._stream.close()


def open_device(path: Path) -> TextIO:
    """Open a device or pipe for writing. Raises ResourceError."""
    with writing_errors(path):
        return path.open("w", encoding="utf-8", errors="backslashreplace", newline="")
