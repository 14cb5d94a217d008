"""Decodes input bytes to text."""

from __future__ import annotations

from pythia_cli.errors import NotUtf8

BYTE_ORDER_MARK = "\ufeff"


def decode_text(data: bytes, source: str) -> str:
    """Decode UTF-8; a byte-order mark at its beginning is dropped.

    Raises NotUtf8, with the source, the first invalid byte and what the bytes look like. UTF-16 and
    UTF-32 are refused even where their bytes are valid UTF-8 too, with many NULs.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        from pythia_cli.text.guess_encoding import guess_encoding

        guess = guess_encoding(data, error)
        raise NotUtf8(source, data[error.start], error.start, guess) from None
    if "\0" in text:
        from pythia_cli.text.guess_encoding import without_mark

        if (guess := without_mark(data)) is not None:
            raise NotUtf8(source, 0, data.index(0), guess)
    return text.removeprefix(BYTE_ORDER_MARK)
