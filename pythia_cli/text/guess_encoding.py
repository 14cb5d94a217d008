"""Guesses what bytes are that are not UTF-8."""

from __future__ import annotations

import codecs

CUT_END, CUT_BEGINNING = "UTF-8 cut off at its end", "UTF-8 cut off at its beginning"
DAMAGED, BINARY = "UTF-8 with damaged bytes", "binary data"

_MAGIC = (
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"PK\x03\x04", "zip"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"%PDF-", "PDF"),
    (b"PAR1", "Parquet"),
    # The mark of UTF-32 begins with that of UTF-16.
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_WIDE = ("UTF-32LE", "UTF-32BE", "UTF-16LE", "UTF-16BE")
_SAMPLE = 1 << 16  # bytes that are looked at
_MANY_NULS = 0.15  # of the bytes of UTF-16; in English it is half of them
_MOST_HIGH = 0.3  # of the bytes of a text in Latin letters, in a one-byte encoding
_TEXT_CONTROLS = b"\t\n\x0b\x0c\r\x1b"
_CONTROLS = bytes(byte for byte in (*range(32), 127) if byte not in _TEXT_CONTROLS)
_C1 = bytes(range(0x80, 0xA0))
_NOT_IN_1252 = b"\x81\x8d\x8f\x90\x9d"


def guess_encoding(data: bytes, error: UnicodeDecodeError) -> str | None:
    """What the bytes look like: a file format, an encoding, or UTF-8 that was damaged.

    error: why they are not UTF-8. None if they may be text in an unknown encoding.
    """
    magic = next((name for magic, name in _MAGIC if data.startswith(magic)), None)
    sample = data[max(0, error.start - _SAMPLE // 2) :][:_SAMPLE]
    return magic or without_mark(data) or _as_utf8(data, error, sample) or _as_one_byte(sample)


def without_mark(data: bytes) -> str | None:
    """UTF-16 or UTF-32 without a byte-order mark; None if the bytes do not look like it."""
    sample = data[:_SAMPLE]
    if sample.count(0) < max(2, _MANY_NULS * len(sample)):
        return None
    for name in _WIDE:
        try:
            text = codecs.getincrementaldecoder(name)().decode(sample)
        except UnicodeDecodeError:
            continue
        n_ascii = sum(" " <= character <= "~" or character in "\t\r\n" for character in text)
        if n_ascii > _MANY_NULS * len(text) and "\0" not in text:
            return name
    return None


def _as_utf8(data: bytes, error: UnicodeDecodeError, sample: bytes) -> str | None:
    text = sample.decode("utf-8", errors="replace")
    n_damaged = text.count("\ufffd")
    n_good = sum(character > "\x7f" for character in text) - n_damaged
    is_at_end = error.reason == "unexpected end of data" and error.end == len(data)
    # A last single byte may also be a Latin-1 letter; 0xe2 begins typographic quotes and dashes.
    is_letter = len(data) - error.start == 1 and data[-1] >= 0xE0 and data[-1] != 0xE2
    if is_at_end and (n_good > 0 or not is_letter):
        return CUT_END
    rest = data.lstrip(bytes(range(0x80, 0xC0)))
    if error.start == 0 and 0 < len(data) - len(rest) < 4 and n_damaged < 4 and n_good > 0:
        return CUT_BEGINNING
    return DAMAGED if n_good > n_damaged else None


def _as_one_byte(sample: bytes) -> str | None:
    n_high = len(sample) - len(sample.translate(None, bytes(range(0x80, 0x100))))
    if len(sample.translate(None, _CONTROLS)) < 0.99 * len(sample):
        return BINARY
    if n_high > _MOST_HIGH * len(sample) or any(byte in sample for byte in _NOT_IN_1252):
        return None
    return "Windows-1252" if any(byte in sample for byte in _C1) else "Latin-1"
