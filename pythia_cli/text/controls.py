"""Bytes that are rare in text, by which it is told from other data."""

SAMPLE = 1 << 16
"""Bytes that are looked at to tell what a text is."""

CONTROLS = bytes(byte for byte in (*range(32), 127) if byte not in b"\t\n\v\f\r\x1b")
