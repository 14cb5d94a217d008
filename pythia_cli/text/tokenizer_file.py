"""tokenizer.json read by the tokenizers library; ahead of its use, where it is known early.

Reading takes some 0.1 s, most of it without the GIL: as long as the imports that go on meanwhile.
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
    """Begin to read a file that `read_tokenizer` will most likely be asked for."""
    result: Future[Tokenizer] = Future()
    _AHEAD[path] = result

    def read() -> None:
        try:
            result.set_result(_read(path))
        except Exception as error:
            result.set_exception(error)

    # Not a daemon: one that comes back from the library while Python ends would abort it.
    threading.Thread(target=read, name="pythia-tokenizer").start()


def read_tokenizer(path: Path, content: bytes | None = None) -> Tokenizer:
    """The tokenizer of a file, or of its content where that is known.

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
