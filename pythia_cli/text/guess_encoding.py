"""Guesses what bytes are that are not UTF-8."""

from __future__ import annotations

import codecs

from pythia_cli.text.controls import CONTROLS, SAMPLE

CUT_END, CUT_BEGINNING = "UTF-8 cut off at its end", "UTF-8 cut off at its beginning"
CUT_END_OR_LATIN1 = "Latin-1, or UTF-8 cut off at its end"
DAMAGED, BINARY = "UTF-8 with damaged bytes", "binary data"

_OTHER_MAGIC = (b"\x7fELF", b"SQLite format 3\0", b"\0asm", b"GGUF", b"\x93NUMPY", b"\x1bLua")
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"PK\x03\x04", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"%PDF-", "PDF"),
    (b"PAR1", "Parquet"),
    *((magic, BINARY) for magic in _OTHER_MAGIC),
    # The mark of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_TAR, _TAR_OFFSET = b"ustar", 257
_WIDE = ("UTF-32LE", "UTF-32BE", "UTF-16LE", "UTF-16BE")
_FEWEST_WIDE = 0.9  # of the characters of UTF-16 that are in an alphabet
_MOST_HIGH = 0.3  # of the bytes of a text in Latin letters, in a one-byte encoding
_FEWEST_BYTES = 64  # of binary data without a magic number; a short text may be a few NULs
_MOST_CONTROLS = 0.3  # of the bytes of a text, such as a list of names that NULs separate
_C1 = bytes(range(0x80, 0xA0))
_NOT_IN_1252 = b"\x81\x8d\x8f\x90\x9d"


def guess_encoding(data: bytes, error: UnicodeDecodeError) -> str | None:
    """What the bytes look like: a file format, an encoding, or UTF-8 that was damaged.

    error: why they are not UTF-8. None if they may be text in an unknown encoding.
    """
    sample = data[max(0, error.start - SAMPLE // 2) :][:SAMPLE]
    return (
        _by_magic(data)
        or _without_mark(data)
        or _as_utf8(data, error, sample)
        or _as_one_byte(sample)
    )


def guess_binary(data: bytes) -> str | None:
    """What bytes in UTF-8 look like that have NULs or other controls; None if they are text."""
    return _by_magic(data) or _without_mark(data) or _by_controls(data[:SAMPLE])


def _by_magic(data: bytes) -> str | None:
    if data.startswith(_TAR, _TAR_OFFSET):
        return "tar"
    return next((name for magic, name in _MAGIC if data.startswith(magic)), None)


def _by_controls(sample: bytes) -> str | None:
    n_controls = len(sample) - len(sample.translate(None, CONTROLS))
    is_binary = len(sample) >= _FEWEST_BYTES and n_controls > _MOST_CONTROLS * len(sample)
    return BINARY if is_binary else None


def _without_mark(data: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte-order mark; None if the bytes do not look like it."""
    for name in _WIDE:
        try:
            text = codecs.getincrementaldecoder(name)().decode(data[:SAMPLE])
        except UnicodeDecodeError:
            continue
        n_letters = sum(map(_is_of_an_alphabet, text))
        if len(text) > 1 and "\0" not in text and n_letters >= _FEWEST_WIDE * len(text):
            return name
    return None


def _is_of_an_alphabet(character: str) -> bool:
    """Also white space, punctuation and kana, but no ideographs.

    Two ASCII letters, taken as UTF-16, are an ideograph.
    """
    if character in "\t\r\n":
        return True
    return character.isprintable() and (character < "\u2100" or "\u3000" <= character < "\u3100")


def _as_utf8(data: bytes, error: UnicodeDecodeError, sample: bytes) -> str | None:
    text = sample.decode("utf-8", errors="replace")
    n_damaged = text.count("\ufffd")
    n_good = sum(character > "\x7f" for character in text) - n_damaged
    is_at_end = error.reason == "unexpected end of data" and error.end == len(data)
    if is_at_end:
        is_one_byte = len(data) - error.start == 1
        return CUT_END_OR_LATIN1 if is_one_byte and n_good == 0 else CUT_END
    rest = data.lstrip(bytes(range(0x80, 0xC0)))
    if error.start == 0 and 0 < len(data) - len(rest) < 4 and n_damaged < 4 and n_good > 0:
        return CUT_BEGINNING
    return DAMAGED if n_good > n_damaged else None


def _as_one_byte(sample: bytes) -> str | None:
    n_high = len(sample) - len(sample.translate(None, bytes(range(0x80, 0x100))))
    if len(sample.translate(None, CONTROLS)) < 0.99 * len(sample):
        return BINARY
    if n_high > _MOST_HIGH * len(sample) or any(byte in sample for byte in _NOT_IN_1252):
        return None
    return "Windows-1252" if any(byte in sample for byte in _C1) else "Latin-1"
