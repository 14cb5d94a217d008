"""Reads tokenizer.json with the tokenizers library, in the background if it is known early.

Reading takes about 0.1 s, mostly without the GIL, while the main thread is busy with imports.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tokenizers import Tokenizer

_AHEAD: dict[Path, Future[Tokenizer]] = {}


def read_ahead(path: Path) -> None:
    """Start reading a file in the background, for a later `read_tokenizer`."""
    result: Future[Tokenizer] = Future()
    _AHEAD[path] = result

    def read() -> None:
        try:
            result.set_result(_read(path))
        except Exception as error:
            result.set_exception(error)

    # Not a daemon thread: returning from the library while Python exits would abort the process.
    threading.Thread(target=read, name="pythia-tokenizer").start()


def read_tokenizer(path: Path, content: bytes | None = None) -> Tokenizer:
    """The tokenizer in a file, or in `content` if given.

    Raises what the library raises: a plain Exception.
    """
    ahead = _AHEAD.pop(path, None)
    if ahead is not None and (content is None or ahead.exception() is None):
        return ahead.result()
    return _read(path, content)


def _read(path: Path, content: bytes | None = None) -> Tokenizer:
    from tokenizers import Tokenizer

    if content is not None:
        return Tokenizer.from_buffer(content)
    return Tokenizer.from_file(str(path))
