"""Decodes input bytes to text."""

from __future__ import annotations

from pythia_cli.errors import NotUtf8
from pythia_cli.text.controls import CONTROLS, SAMPLE

BYTE_ORDER_MARK = "\ufeff"

_MANY_CONTROLS = 0.05


def decode_text(data: bytes, source: str, *, is_beginning: bool = True) -> str:
    """Decode UTF-8. Byte-order marks at its beginning are dropped, if a text begins there.

    Raises NotUtf8, with the source, the first invalid byte and what the bytes look like. UTF-16,
    UTF-32, archives and programs are refused even where their bytes are valid UTF-8 too, with NULs
    or other controls.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        from pythia_cli.text.guess_encoding import guess_encoding

        guess = guess_encoding(data, error)
        raise NotUtf8(source, data[error.start], error.start, guess) from None
    if "\0" in text or _has_many_controls(data):
        from pythia_cli.text.guess_encoding import guess_binary

        if (guess := guess_binary(data)) is not None:
            offset = next(at for at, byte in enumerate(data) if byte in CONTROLS)
            raise NotUtf8(source, data[offset], offset, guess)
    return text.lstrip(BYTE_ORDER_MARK) if is_beginning else text


def _has_many_controls(data: bytes) -> bool:
    """As has UTF-16 in Cyrillic, Greek and the like: half of its bytes may be 0x04."""
    sample = data[:SAMPLE]
    return len(sample.translate(None, CONTROLS)) < (1 - _MANY_CONTROLS) * len(sample)
