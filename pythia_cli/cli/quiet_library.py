"""Keeps what another library prints from our output."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

from pythia_cli.cli.output import Notices


@contextlib.contextmanager
def quietly(notices: Notices) -> Iterator[None]:
    """Within the block, nothing is printed but by `notices`; warnings in logs become details."""
    handler = _Details(notices)
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with (
            open(os.devnull, "w", encoding="utf-8") as nowhere,
            contextlib.redirect_stdout(nowhere),
            contextlib.redirect_stderr(nowhere),
        ):
            yield
    finally:
        root.removeHandler(handler)


class _Details(logging.Handler):
    def __init__(self, notices: Notices) -> None:
        super().__init__(logging.WARNING)
        self._notices = notices

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record of a log, with --verbose."""
        self._notices.detail(f"{record.name.split('.')[0]}: {record.getMessage()}")
